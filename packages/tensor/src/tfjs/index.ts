export { fromTfjs, type TensorFactory, toTfjs } from './convert.js'
export { type LoadedTfjs, loadTfjs, type Tfjs, TfjsUnavailableError } from './load.js'
