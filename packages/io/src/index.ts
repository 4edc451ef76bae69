export { type CameraPathFile, type CameraPathOptions, readCameraPath, writeCameraPath } from './capture/camera-path.js'
export { type Detection, detectCapture } from './capture/detect.js'
export { openCapture, UnknownCaptureError } from './capture/open.js'
export type {
  Capture,
  CaptureCalibration,
  CaptureCamera,
  CaptureCloud,
  CaptureImage,
  CaptureKind,
  CaptureMasks,
  CaptureOptions,
  CaptureScene,
  CaptureSource,
  TestRule,
} from './capture/types.js'
export { captureView, viewsModel } from './capture/views.js'
export { type ColmapCameraModel, type ColmapModelName, colmapCameraModels } from './colmap/cameras.js'
export { poseMatrix } from './colmap/pose.js'
export { type ColmapReadOptions, readColmapModel } from './colmap/read.js'
export type {
  ColmapCamera,
  ColmapFrame,
  ColmapImage,
  ColmapModel,
  ColmapPoints2D,
  ColmapPoints3D,
  ColmapRig,
  ColmapSensor,
  RigidTransform,
} from './colmap/types.js'
export { type ColmapContent, writeColmapModel } from './colmap/write.js'
export {
  type DatasetReport,
  formatInspection,
  type InspectedClip,
  inspectDataset,
} from './dataset/inspect.js'
export { type Meta, readMeta } from './dataset/meta.js'
export { DatasetError, openDataset } from './dataset/open.js'
export type {
  Dataset,
  DatasetCamera,
  DatasetClip,
  DatasetFrame,
  DatasetOptions,
  Problem,
  ProblemCode,
} from './dataset/types.js'
export { FormatError, IoError, MissingFileError, OptionError, PathError } from './errors.js'
export { createBrowserDecoder } from './images/browser.js'
export { type ColorChange, ColorFit, colorChangeOf } from './images/color-fit.js'
export { imageExtensions, probeImageSize, readImageSize } from './images/probe.js'
export { quantize, quantizeImage, toFloatImage } from './images/quantize.js'
export { downsampledSize, resizeLanczos } from './images/resize.js'
export {
  createImageStore,
  type ImageStore,
  type ImageStoreOptions,
  loadImage,
  loadMask,
  type Mask,
  type ViewIndex,
} from './images/store.js'
export type { ImageDecoder, RgbImage, Size } from './images/types.js'
export { countVertices } from './ply/count.js'
export { type GaussianCloud, readGaussianPly, writeGaussianPly } from './ply/gaussians.js'
export { type PointCloud, type PointCloudContent, readPointCloud, writePointCloud } from './ply/points.js'
export { plyColumn, plyElement, readPly } from './ply/read.js'
export type { Ply, PlyArray, PlyColumn, PlyElement, PlyFormat, PlyListColumn, PlyScalar } from './ply/types.js'
export { type PlyContent, writePly } from './ply/write.js'
export { readSpz, type SpzOptions, writeSpz } from './splats/spz.js'
export {
  type ArrayData,
  type DTypeName,
  decodeHalf,
  encodeHalf,
  type NamedArray,
  toFloat32,
} from './tensors/array.js'
export { readNpy, readNpz } from './tensors/npy.js'
export {
  openSafetensors,
  readSafetensors,
  type Safetensors,
  type SafetensorsEntry,
  type SafetensorsFile,
  type SafetensorsHeader,
  safetensorsChunks,
  writeSafetensors,
} from './tensors/safetensors.js'
export { readTorchState } from './tensors/torch.js'
export { blobSource, browserFolder, type DirectoryHandle, type FileHandle, type FolderEntry } from './vfs/browser.js'
export { createManifest, type FetchOptions, fetchFolder, type Manifest } from './vfs/fetch.js'
export { memoryFolder } from './vfs/memory.js'
export { baseName, compareNatural, extension, joinPath, normalizePath, stem } from './vfs/path.js'
export {
  type ByteSource,
  bytesSource,
  fileSource,
  listFiles,
  subfolder,
  type Vfs,
  type VfsEntry,
} from './vfs/vfs.js'
export { type ZipOptions, zipFolder } from './vfs/zip.js'
