import {
  type ColmapCamera,
  type ColmapImage,
  memoryFolder,
  type Vfs,
  writeColmapModel,
  writePointCloud,
} from '@clipgstream/io'
import { encodePng } from '@clipgstream/io/node'

export interface SceneOptions {
  readonly cameras?: number
  readonly frames?: number
  readonly clips?: number
  readonly width?: number
  readonly height?: number
  readonly format?: 'binary' | 'text'
  readonly meta?: object
  readonly masks?: boolean
}

/** Value of all red channels of an image, so that tests know which one they got; green and blue hold the pixel's place. */
export function redOf(camera: number, frame: number): number {
  return camera * 20 + frame
}

export async function picture(width: number, height: number, red: number): Promise<Uint8Array> {
  const data = new Uint8Array(width * height * 3)
  for (let i = 0; i < width * height; i++) data.set([red, i % width, Math.floor(i / width)], i * 3)
  return encodePng({ width, height, data })
}

/** Files of a small dataset: cameras cam0, cam1, ... of one size. */
export async function sceneFiles(options: SceneOptions = {}): Promise<Record<string, Uint8Array | string>> {
  const { cameras = 3, frames = 4, clips = 2, width = 6, height = 5, format = 'binary', masks = false } = options
  const models: ColmapCamera[] = []
  const images: ColmapImage[] = []
  for (let i = 0; i < cameras; i++) {
    models.push({
      id: i + 1,
      model: 'PINHOLE',
      width,
      height,
      params: [10.75, 11.5, width / 2 + 0.25, height / 2 - 0.5],
    })
    const pose = { rotation: [1, 0, 0, 0], translation: [i, 0, 1] } as const
    images.push({ id: 100 - i, name: `cam${i}.jpg`, cameraId: i + 1, pose, points2D: null })
  }
  const files: Record<string, Uint8Array | string> = {}
  for (const [name, bytes] of Object.entries(writeColmapModel({ cameras: models, images }, format)))
    files[`sparse/0/${name}`] = bytes
  for (let f = 0; f < frames; f++) {
    const folder = `frame${String(f).padStart(6, '0')}`
    for (let i = 0; i < cameras; i++) {
      files[`${folder}/images/cam${i}.png`] = await picture(width, height, redOf(i, f))
      if (masks) files[`${folder}/masks/cam${i}.png`] = await picture(width, height, i === 0 ? 255 : 0)
    }
  }
  for (let c = 0; c < clips; c++)
    files[`plys/${c}.ply`] = writePointCloud({ positions: Float32Array.of(c, 0, 0, 1, 1, 1) })
  if (options.meta) files['meta.json'] = JSON.stringify(options.meta)
  return files
}

export async function scene(options: SceneOptions = {}): Promise<Vfs> {
  return memoryFolder(await sceneFiles(options), 'scene')
}
