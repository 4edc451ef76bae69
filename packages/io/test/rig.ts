// The cameras of the bundled court, and a small picture of their size, for writing them in other projects' formats.
import { fileURLToPath } from 'node:url'
import { type Camera, createLens, type View } from '@clipgstream/camera'
import { type Capture, type CaptureCalibration, openDataset } from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import { expect } from 'vitest'
import { picture } from './scene.js'

export interface RigCamera {
  readonly name: string
  readonly view: View
}

export async function courtRig(count = 4): Promise<RigCamera[]> {
  const dataset = await openDataset(nodeFolder(fileURLToPath(new URL('../../../samples/court-mini', import.meta.url))))
  return dataset.cameras.slice(0, count).map(({ name, view }) => ({ name, view }))
}

export const frameImage = await picture(160, 90, 7)

/** Points of the court: on its floor, at its corners and above. */
export const courtPoints: readonly (readonly [number, number, number])[] = [
  [0, 0, 0],
  [3, -2, 0.5],
  [-4, 2.5, 1.75],
  [6, 4, 0],
  [-7, -5, 2],
]

export function toCamera(m: readonly number[], [x, y, z]: readonly [number, number, number]): [number, number, number] {
  const row = (r: number) => m[r]! * x + m[r + 1]! * y + m[r + 2]! * z + m[r + 3]!
  return [row(0), row(4), row(8)]
}

/** OpenCV's model as its documentation has it, with pixel centres at +0.5: k1 k2 p1 p2 k3. */
export function projected(
  view: View,
  point: readonly [number, number, number],
  [k1 = 0, k2 = 0, p1 = 0, p2 = 0, k3 = 0]: readonly number[] = [],
): [number, number] {
  const [x, y, z] = toCamera(view.worldToCamera, point)
  const [a, b] = [x / z, y / z]
  const r2 = a * a + b * b
  const radial = 1 + k1 * r2 + k2 * r2 ** 2 + k3 * r2 ** 3
  return [
    view.fx * (a * radial + 2 * p1 * a * b + p2 * (r2 + 2 * a * a)) + view.cx,
    view.fy * (b * radial + p1 * (r2 + 2 * b * b) + 2 * p2 * a * b) + view.cy,
  ]
}

/** What was read projects the court's points where the camera that was written does, to a millionth of a pixel. */
export function expectSameProjections(
  read: CaptureCalibration | null,
  view: View,
  distortion: readonly number[] = [],
  tolerance = 1e-6,
): void {
  expect(read).not.toBeNull()
  if (!read) return
  expect([read.camera.width, read.camera.height]).toEqual([view.width, view.height])
  const lens = createLens(read.camera)
  let inside = 0
  for (const point of courtPoints) {
    const inCamera = toCamera(read.worldToCamera, point)
    if (!(toCamera(view.worldToCamera, point)[2] > 0.1)) continue
    const [x, y] = projected(view, point, distortion)
    const pixel = lens.project(inCamera) ?? [Number.NaN, Number.NaN]
    expect(Math.abs(pixel[0] - x)).toBeLessThan(tolerance)
    expect(Math.abs(pixel[1] - y)).toBeLessThan(tolerance)
    inside++
  }
  expect(inside).toBeGreaterThan(2)
}

/** Every camera of a static capture is one of the rig's, by name. */
export function expectRig(
  capture: Capture,
  rig: readonly RigCamera[],
  distortion: readonly number[] = [],
  tolerance = 1e-6,
): void {
  expect(capture.cameras.map(({ name }) => name)).toEqual(rig.map(({ name }) => name))
  capture.cameras.forEach((camera, i) => {
    const own = rig[i]
    if (own) expectSameProjections(camera.calibration, own.view, distortion, tolerance)
  })
}

export function distorted({ view }: RigCamera, k: readonly number[]): Camera {
  const { width, height, fx, fy, cx, cy } = view
  return { model: 'OPENCV', width, height, params: [fx, fy, cx, cy, ...k] }
}

/** A NumPy file of doubles. */
export function npy(shape: readonly number[], values: readonly number[]): Uint8Array {
  const text = `{'descr': '<f8', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`
  const header = text
  const padded = `${header}${' '.repeat((64 - ((10 + header.length + 1) % 64)) % 64)}\n`
  const out = new Uint8Array(10 + padded.length + values.length * 8)
  out.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, padded.length & 255, padded.length >> 8])
  out.set(new TextEncoder().encode(padded), 10)
  out.set(new Uint8Array(Float64Array.from(values).buffer), 10 + padded.length)
  return out
}
