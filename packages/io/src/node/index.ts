export { isLeftover, removeLeftovers, writeAtomic, writeAtomicStream } from './atomic.js'
export { nodeFolder } from './folder.js'
export { createNodeDecoder, encodeJpeg, encodePng, type ImageContent, type NodeDecoderOptions } from './images.js'
export { type SplatFormat, SplatTransformMissingError, splatFormats, writeSplats } from './splat-transform.js'
