export type { ColorAffine, PhotometricLoss, PhotometricResult, PhotometricWeights, VolumeLoss } from './contract.js'
export { createColorAffine, createPhotometricLoss, createVolumeLoss, identityAffines } from './create.js'
