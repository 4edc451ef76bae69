export {
  type AnchorOptions,
  anchorsFromCloud,
  type NewAnchors,
  parityOutlierDistance,
  type ResidualAnchorOptions,
  residualAnchors,
} from './cloud/anchors.js'
export { boundsOf, cloudExtent } from './cloud/bounds.js'
export {
  type Coverage,
  coverageRadii,
  createCoverage,
  parityResidualThreshold,
  type ResidualCloud,
  type ResidualCloudOptions,
  residualCloud,
} from './cloud/coverage.js'
export {
  meanSquaredNeighbourDistances,
  minimumSquaredDistance,
  type Neighbours,
  nearestNeighbours,
} from './cloud/neighbours.js'
export {
  averageVoxels,
  mergeClip,
  mergeFirstCome,
  pointsOutside,
  type VoxelAverage,
  type VoxelMerge,
} from './cloud/voxels.js'
export {
  type AnchorConfig,
  type AnchorInputs,
  type AnchorOperators,
  type Bounds,
  type DecodedAnchors,
  defaultAnchorConfig,
  type FeatureCombination,
  type GaussianGradients,
  type Gaussians,
  type GrowthStatistics,
  type VisibleAnchors,
} from './contract.js'
export {
  type AnchorSet,
  carryStatistics,
  type GrownAnchors,
  type GrowthData,
  type GrowthOptions,
  growAnchors,
  type PruneOptions,
  pruneAnchors,
} from './growth.js'
export { createAnchorOperators } from './operators.js'
export { gatherRows } from './rows.js'
export { viewRows } from './views.js'
