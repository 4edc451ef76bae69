export { type LoadLpipsOptions, loadLpips } from './load-lpips.js'
export {
  convertLpipsWeights,
  findLpipsWeights,
  installLpipsWeights,
  isVerified,
  type LpipsSource,
  lpipsCacheFolder,
  lpipsRemedy,
  lpipsSources,
} from './lpips-files.js'
export { type ReportContent, reportHtml } from './report/html.js'
export { type Pictures, picturesOf } from './report/pictures.js'
export { type WriteOptions, type WrittenEvaluation, writeEvaluation } from './write.js'
