export { isLeftover, removeLeftovers, writeAtomic, writeAtomicStream } from './atomic.js'
export { nodeFolder } from './folder.js'
