import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lookAt, poseOf, worldToCamera } from '@clipgstream/camera'
import { writeColmapModel } from '@clipgstream/io'
import { encodePng } from '@clipgstream/io/node'
import { makeVideo } from './videos.js'

export const size = { width: 64, height: 48 }
export const names = ['cam0', 'cam1', 'cam2', 'cam3']

/** Texture of a plane that moves a little from frame to frame. */
export function pixel(camera: number, frame: number, x: number, y: number): readonly [number, number, number] {
  const wave = (k: number) => Math.round(127 + 100 * Math.sin(0.3 * k * (x + camera * 2) + 0.4 * y + 0.2 * frame * k))
  return [wave(1), wave(2), wave(3)]
}

/** A folder of videos; `frames` of each camera, one number for all or one for each. */
export async function writeVideos(folder: string, frames: number | readonly number[]): Promise<void> {
  mkdirSync(folder, { recursive: true })
  for (const [i, name] of names.entries()) {
    const count = typeof frames === 'number' ? frames : (frames[i] ?? 0)
    await makeVideo(join(folder, `${name}.mp4`), {
      ...size,
      frames: count,
      pixel: (frame, x, y) => pixel(i, frame, x, y),
    })
  }
}

/** An image folder a camera. */
export async function writeImages(folder: string, frames: number): Promise<void> {
  const { width, height } = size
  for (const [i, name] of names.entries()) {
    mkdirSync(join(folder, name), { recursive: true })
    for (let frame = 0; frame < frames; frame++) {
      const data = new Uint8Array(width * height * 3)
      for (let at = 0; at < width * height; at++) data.set(pixel(i, frame, at % width, Math.floor(at / width)), 3 * at)
      writeFileSync(join(folder, name, `${frame}.png`), await encodePng({ width, height, data }))
    }
  }
}

/** A model of cameras side by side with lens distortion, as of recordings before undistortion. */
export function model(extension = 'mp4', which: readonly string[] = names) {
  const { width, height } = size
  const params = [60, 60, 32, 24, -0.1, 0.02, 0.001, -0.001]
  return {
    cameras: which.map((_, i) => ({ id: i + 1, model: 'OPENCV' as const, width, height, params })),
    images: which.map((name, i) => {
      const at = names.findIndex((known) => name.startsWith(known))
      const eye = [-0.6 + 0.4 * at, 0, 0] as const
      const view = lookAt(eye, [0, 0, 4], [0, -1, 0], { ...size, fx: 60, fy: 60, cx: 32, cy: 24 })
      const { qvec, tvec } = poseOf(view)
      const name_ = name.includes('.') ? name : `${name}.${extension}`
      return { id: i + 1, name: name_, cameraId: i + 1, pose: { rotation: qvec, translation: tvec }, points2D: null }
    }),
  }
}

export function writeModel(folder: string, content: Parameters<typeof writeColmapModel>[0]): void {
  mkdirSync(folder, { recursive: true })
  for (const [name, bytes] of Object.entries(writeColmapModel(content, 'binary')))
    writeFileSync(join(folder, name), bytes)
}

export interface PlaneOptions {
  /** Where the middle of a board of 0.6 by 0.6 before the plane is, three units away, in a frame of a camera. */
  readonly board?: (frame: number, camera: number) => readonly [x: number, y: number]
  /** What a camera makes of brightness in a frame. */
  readonly light?: (camera: number, frame: number) => number
  /** How far the texture of the plane has moved in a frame. */
  readonly drift?: (frame: number) => number
  /** Brightness of the plane, 0 to 255. */
  readonly texture?: (u: number, v: number) => number
}

/**
 * Undistorted pictures of a textured plane four units away, and the model of the cameras; the same in all frames but for what
 * the options say.
 */
export async function writePlane(folder: string, frames: number, options: PlaneOptions = {}): Promise<void> {
  const { images } = model('png')
  const intrinsics = { ...size, model: 'PINHOLE' as const, params: [60, 60, 32, 24] }
  writeModel(join(folder, 'distorted/sparse/0'), { images, cameras: images.map(({ id }) => ({ id, ...intrinsics })) })
  const { board, light = () => 1, drift = () => 0, texture = textureAt } = options
  for (const [camera, { name, pose }] of images.entries()) {
    const m = worldToCamera({ qvec: pose.rotation, tvec: pose.translation })
    const centre = [0, 1, 2].map((a) => -(m[a]! * m[3]! + m[4 + a]! * m[7]! + m[8 + a]! * m[11]!))
    const target = join(folder, name.replace('.png', ''))
    mkdirSync(target, { recursive: true })
    for (let frame = 0; frame < frames; frame++) {
      const data = new Uint8Array(3 * size.width * size.height)
      const middle = board?.(frame, camera)
      for (let y = 0, at = 0; y < size.height; y++) {
        for (let x = 0; x < size.width; x++) {
          const ray = [(x + 0.5 - 32) / 60, (y + 0.5 - 24) / 60, 1]
          const d = [0, 1, 2].map((a) => m[a]! * ray[0]! + m[4 + a]! * ray[1]! + m[8 + a]! * ray[2]!)
          const meet = (z: number) => {
            const t = (z - centre[2]!) / d[2]!
            return [centre[0]! + t * d[0]!, centre[1]! + t * d[1]!] as const
          }
          const [bx, by] = meet(3)
          const onBoard = middle && Math.max(Math.abs(bx - middle[0]), Math.abs(by - middle[1])) < 0.3
          // The board's texture moves with it.
          const [u, v] = onBoard ? [5 + bx - middle[0], 3 + by - middle[1]] : meet(4)
          const value = light(camera, frame) * (texture(u + (onBoard ? 0 : drift(frame)), v) + (onBoard ? 50 : 0))
          for (let c = 0; c < 3; c++) data[at++] = value
        }
      }
      writeFileSync(join(target, `${frame}.png`), await encodePng({ ...size, data }))
    }
  }
}

/** Waves of incommensurable lengths repeat nowhere in the picture. */
function textureAt(u: number, v: number): number {
  return 108 + 32 * (Math.sin(7.1 * u + 2 * v) + Math.sin(4.3 * v - 3.7 * u) + Math.sin(9.7 * v + 1.3 * u * u))
}
