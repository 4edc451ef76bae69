// The cameras and points of the bundled sample: what COLMAP's files say of a scene whose geometry is known.
import { readFileSync } from 'node:fs'
import { orbitPath, type Pose, sceneFrame, type Vec3, type View, viewFromColmap } from '@clipgstream/camera'
import { expect, test } from 'vitest'

const read = (name: string) =>
  readFileSync(new URL(`../../../samples/court-mini/sparse/0/${name}.txt`, import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line && !line.startsWith('#'))

const cameras = new Map(
  read('cameras').map((line) => {
    const [id, , width, height, ...params] = line.split(' ')
    return [id, { model: 'PINHOLE', width: Number(width), height: Number(height), params: params.map(Number) } as const]
  }),
)
const points = new Map(
  read('points3D').map((line) => {
    const [id, x, y, z] = line.split(' ')
    return [id, [Number(x), Number(y), Number(z)] satisfies Vec3]
  }),
)
const lines = read('images')
const images: { view: View; seen: string[] }[] = []
for (let i = 0; i < lines.length; i += 2) {
  const [, ...fields] = lines[i]!.split(' ')
  const numbers = fields.slice(0, 7).map(Number)
  const pose: Pose = { qvec: numbers.slice(0, 4), tvec: numbers.slice(4) }
  const camera = cameras.get(fields[7]!)
  if (camera) images.push({ view: viewFromColmap(camera, pose), seen: lines[i + 1]!.split(' ') })
}

test('points land where the images saw them, but for the noise of the detections', () => {
  expect(images).toHaveLength(12)
  const errors: [number, number][] = []
  for (const { view, seen } of images) {
    const m = view.worldToCamera
    for (let i = 0; i < seen.length; i += 3) {
      const point = points.get(seen[i + 2]!)
      if (!point) continue
      const row = (r: number) => m[r]! * point[0] + m[r + 1]! * point[1] + m[r + 2]! * point[2] + m[r + 3]!
      const x = (view.fx * row(0)) / row(8) + view.cx
      const y = (view.fy * row(4)) / row(8) + view.cy
      errors.push([x - Number(seen[i]), y - Number(seen[i + 1])])
    }
  }
  expect(errors.length).toBeGreaterThan(1000)
  for (const axis of [0, 1] as const) {
    const bias = errors.reduce((sum, error) => sum + error[axis], 0) / errors.length
    expect(Math.abs(bias)).toBeLessThan(0.02)
    expect(Math.sqrt(errors.reduce((sum, error) => sum + error[axis] ** 2, 0) / errors.length)).toBeLessThan(1)
  }
})

test('the ring of cameras looks at the court, with z upwards', () => {
  const views = images.map(({ view }) => view)
  const { focus, up } = sceneFrame(views)
  expect(Math.hypot(focus[0], focus[1])).toBeLessThan(3)
  expect(up[2]).toBeGreaterThan(0.98)
  expect(orbitPath(views)(0.3).worldToCamera.every(Number.isFinite)).toBe(true)
})
