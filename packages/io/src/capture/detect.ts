import { extension, normalizePath } from '../vfs/path.js'
import type { Vfs } from '../vfs/vfs.js'
import { findModel, firstImage, modelPlaces } from './colmap.js'
import { Reading } from './finish.js'
import { findMedia } from './media.js'
import type { CaptureKind } from './types.js'

export interface Detection {
  /** Null when nothing that is known is there. */
  readonly kind: CaptureKind | null
  /** What was found, or what was looked for. */
  readonly reason: string
  /** The file or folder that holds the calibration, where there is one. */
  readonly file: string | null
  /** Other layouts whose files are there, too. */
  readonly also: readonly CaptureKind[]
}

interface Found {
  readonly kind: CaptureKind
  readonly reason: string
  readonly file: string | null
}

const looked = [
  'sparse/0 with frame*/images',
  'sparse/0 or distorted/sparse/0 with videos, frames or images/',
  'train_meta.json (Panoptic Sports)',
  'transforms.json (nerfstudio)',
  'transforms_train.json (Blender, D-NeRF)',
  'dataset.json with camera/ (Nerfies, HyperNeRF)',
  'poses_bounds.npy (Neural 3D Video, Meet Room)',
  'intri.yml and extri.yml (EasyVolcap)',
  '*.qca.txt (Qualisys), Calib*.toml (Pose2Sim), also in calibration/',
  'videos, in videos/ or not',
  'an image folder a camera',
]

/** Which layout a folder is in, from names alone. The first of the list in `reason` wins; the others are in `also`. */
export async function detectCapture(vfs: Vfs): Promise<Detection> {
  const [first, ...others] = await findAll(new Reading(vfs, {}))
  if (!first) {
    const inside = (await vfs.list('')).filter(({ kind }) => kind === 'folder').map(({ name }) => name)
    const hint =
      inside.length > 0
        ? `; its folders are ${inside.slice(0, 6).join(', ')}${inside.length > 6 ? ', ...' : ''}: is it one of them?`
        : ''
    return { kind: null, reason: `${vfs.label} has none of: ${looked.join('; ')}${hint}`, file: null, also: [] }
  }
  return { ...first, also: others.map(({ kind }) => kind) }
}

async function findAll(reading: Reading): Promise<Found[]> {
  const { folders } = reading
  const found: Found[] = []
  const add = (kind: CaptureKind, reason: string, file: string | null) => {
    // Videos with a calibration are no videos without one.
    if (!(found.length > 0 && (kind === 'videos' || kind === 'images'))) found.push({ kind, reason, file })
  }
  const media = await findMedia(folders)
  const video = media[0]?.kind === 'video'
  const what = `${media.length} ${video ? 'videos' : 'image folders'}`
  const model = await findModel(reading, modelPlaces)
  if (model !== null) {
    const frames = (await folders.names('', 'folder')).filter((name) => name.startsWith('frame'))
    const first = frames[0]
    const undistorted = first !== undefined && (await folders.images(`${first}/images`)).length > 0
    const own = (await findModel(reading, ['sparse/0', 'sparse'])) !== null
    const image = await firstImage(reading, model)
    const still = !video && image !== null && isPath(image) && (await folders.hasFile(`images/${image}`))
    if (undistorted && own) add('clip-stream', `${frames.length} folders frame*/images and a model in ${model}`, model)
    else if (still) add('colmap', `images/ and a model in ${model}`, model)
    else if (media.length > 0) add('colmap-videos', `${what} and a model in ${model}`, model)
    else if (await folders.hasFolder('images')) add('colmap', `images/ and a model in ${model}`, model)
  }
  if (await folders.hasFile('train_meta.json')) add('panoptic', 'train_meta.json', 'train_meta.json')
  if (await folders.hasFile('transforms.json')) add('nerfstudio', 'transforms.json', 'transforms.json')
  if (await folders.hasFile('transforms_train.json')) add('blender', 'transforms_train.json', 'transforms_train.json')
  if ((await folders.hasFile('dataset.json')) && (await folders.hasFolder('camera')))
    add('nerfies', 'dataset.json and camera/', 'dataset.json')
  if (await folders.hasFile('poses_bounds.npy')) add('llff', 'poses_bounds.npy', 'poses_bounds.npy')
  if ((await folders.hasFile('intri.yml')) && (await folders.hasFile('extri.yml')))
    add('easyvolcap', 'intri.yml and extri.yml', 'intri.yml')
  for (const folder of ['', 'calibration', 'calib', 'Calibration']) {
    for (const name of await folders.names(folder, 'file')) {
      const path = folder === '' ? name : `${folder}/${name}`
      if (name.endsWith('.qca.txt')) add('qualisys', path, path)
      else if (/^calib/i.test(name) && extension(name) === 'toml') add('pose2sim', path, path)
    }
  }
  if (media.length > 0) add(video ? 'videos' : 'images', `${what} and no calibration`, null)
  return found
}

/** Whether a name out of a file may be looked for. */
function isPath(name: string): boolean {
  try {
    normalizePath(name)
    return true
  } catch {
    return false
  }
}
