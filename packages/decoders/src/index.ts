export { type DecoderSizes, decoderHeads, fieldHead, type HiddenFactors } from './config.js'
export type {
  Activation,
  Head,
  HeadParameters,
  Heads,
  HeadsConfig,
  HeadsInputs,
  HeadsOptions,
  HeadsResult,
  Keep,
  Precision,
} from './contract.js'
export { createHeads } from './create.js'
export {
  type Initialisation,
  initialParameters,
  type PerParameter,
  parameterCount,
  parameterShapes,
  uploadParameters,
  zeroParameters,
} from './parameters.js'
