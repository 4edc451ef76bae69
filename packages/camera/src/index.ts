export {
  type CameraAxes,
  cameraToWorldFrom,
  nearestRotation,
  rotationFromVector,
  vectorFromRotation,
  worldToCameraFrom,
} from './conventions.js'
export { CameraError } from './errors.js'
export { type SceneFrame, sceneExtent, sceneFocus, sceneFrame, sceneUp } from './extent.js'
export { createLens, type Lens, project, unproject } from './lens.js'
export {
  type Camera,
  type CameraModel,
  type CameraModelName,
  type CameraParameters,
  cameraModel,
  cameraModels,
  isUndistorted,
  parametersOf,
  scaleCamera,
} from './models.js'
export {
  type CameraPath,
  type OrbitOptions,
  orbitPath,
  type SpiralOptions,
  samplePath,
  spiralPath,
} from './paths.js'
export {
  cameraCentre,
  lookAt,
  type Pose,
  poseOf,
  rotationOf,
  viewDirection,
  viewFromColmap,
  viewUp,
  worldToCamera,
} from './pose.js'
export {
  type Matrix3,
  matrixToQuaternion,
  normalizeQuaternion,
  type Quaternion,
  quaternionToMatrix,
  slerp,
} from './rotation.js'
export { type ThroughOptions, throughPath } from './through.js'
export { type Pixels, remapImage, type UndistortOptions, undistortedView, undistortionMap } from './undistort.js'
export type { Vec3 } from './vector.js'
export { checkIntrinsics, type Intrinsics, parityView, pixelOf, scaleView, type View } from './view.js'
