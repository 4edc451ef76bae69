import { baseName, compareNatural, stem } from '../vfs/path.js'
import type { Folders } from './folders.js'

/** What one camera recorded, before anything is known of its calibration. */
export type Media =
  | { readonly name: string; readonly kind: 'video'; readonly path: string }
  | { readonly name: string; readonly kind: 'images'; readonly paths: readonly (string | null)[] }

const notCameras = new Set([
  'masks',
  'mask',
  'seg',
  'sparse',
  'distorted',
  'plys',
  'plys_candidates',
  'videos',
  'stereo',
])

/**
 * Videos and image folders by camera. The first of these that is there:
 *
 *     CAMERA.mp4, videos/CAMERA.mp4
 *     images/CAMERA/FRAME.jpg, CAMERA/images/FRAME.png, CAMERA/FRAME.jpg
 *     frameNNNNNN/images/CAMERA.jpg, frameNNNNNN/CAMERA.jpg
 */
export async function findMedia(folders: Folders): Promise<Media[]> {
  for (const folder of ['', 'videos', 'video']) {
    const videos = await folders.videos(folder)
    if (videos.length > 0) return videos.map((path) => ({ name: stem(path), kind: 'video', path }))
  }
  const byFrame = await framesOf(folders)
  if (byFrame.length > 0) return byFrame
  const inImages = await cameraFolders(folders, 'images', '')
  if (inImages.length > 0) return inImages
  const withImages = await cameraFolders(folders, '', 'images')
  return withImages.length > 0 ? withImages : cameraFolders(folders, '', '')
}

async function cameraFolders(folders: Folders, root: string, inner: string): Promise<Media[]> {
  const media: Media[] = []
  for (const name of (await folders.names(root, 'folder')).sort(compareNatural)) {
    if (notCameras.has(name)) continue
    const paths = await folders.images([root, name, inner].filter((part) => part !== '').join('/'))
    if (paths.length > 0) media.push({ name, kind: 'images', paths })
  }
  // A single folder of images beside the calibration is no camera.
  return root === '' && inner === '' && media.length === 1 && media[0]?.name === 'images' ? [] : media
}

async function framesOf(folders: Folders): Promise<Media[]> {
  const frames = (await folders.names('', 'folder')).filter((name) => /^frame_?\d+$/.test(name)).sort(compareNatural)
  const cameras = new Map<string, (string | null)[]>()
  for (const [frame, folder] of frames.entries()) {
    const undistorted = await folders.images(`${folder}/images`)
    for (const path of undistorted.length > 0 ? undistorted : await folders.images(folder)) {
      const name = stem(baseName(path))
      const paths = cameras.get(name) ?? frames.map(() => null)
      paths[frame] = path
      cameras.set(name, paths)
    }
  }
  return [...cameras].sort(([a], [b]) => compareNatural(a, b)).map(([name, paths]) => ({ name, kind: 'images', paths }))
}

/**
 * For each name of a calibration the media of its camera: by name, else by the number that the names end with, when that
 * pairs all of them. Null for those that have none.
 */
export function pairByName<T extends { readonly name: string }>(
  names: readonly string[],
  media: readonly T[],
): (T | null)[] {
  const exact = names.map((name) => media.find((item) => item.name === name || item.name === stem(name)) ?? null)
  if (exact.some((item) => item !== null)) return exact
  const number = (name: string) => {
    const digits = /(\d+)\D*$/.exec(name)?.[1]
    return digits === undefined ? null : Number(digits)
  }
  const numbers = new Map<number, T | null>()
  for (const item of media) {
    const key = number(item.name)
    if (key !== null) numbers.set(key, numbers.has(key) ? null : item)
  }
  const keys = names.map(number)
  if (new Set(keys).size < keys.length) return exact
  return keys.map((key) => (key === null ? null : (numbers.get(key) ?? null)))
}
