import { type UndistortOptions, undistortedView, type View } from '@clipgstream/camera'
import { matrixPose } from '../colmap/pose.js'
import type { ColmapContent } from '../colmap/write.js'
import type { CaptureCalibration } from './types.js'

/** The pinhole view that undistorted images of a camera have: of COLMAP's size and intrinsics. */
export function captureView({ camera, worldToCamera }: CaptureCalibration, options: UndistortOptions = {}): View {
  return { ...undistortedView(camera, options), worldToCamera: [...worldToCamera] }
}

/** A COLMAP model of such views, a PINHOLE camera and an image `NAME.extension` each, for `writeColmapModel`. */
export function viewsModel(
  views: readonly { readonly name: string; readonly view: View }[],
  extension = 'jpg',
): ColmapContent {
  return {
    cameras: views.map(({ view: { width, height, fx, fy, cx, cy } }, i) => {
      return { id: i + 1, model: 'PINHOLE', width, height, params: [fx, fy, cx, cy] }
    }),
    images: views.map(({ name, view }, i) => {
      const pose = matrixPose(view.worldToCamera)
      return { id: i + 1, name: `${name}.${extension}`, cameraId: i + 1, pose, points2D: null }
    }),
  }
}
