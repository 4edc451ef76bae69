import {
  cameraCentre,
  lookAt,
  matrixToQuaternion,
  normalizeQuaternion,
  parityView,
  pixelOf,
  poseOf,
  quaternionToMatrix,
  rotationOf,
  scaleView,
  slerp,
  type View,
  viewDirection,
  viewFromColmap,
  viewUp,
} from '@clipgstream/camera'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expectClose } from './close.js'

const intrinsics = { width: 640, height: 360, fx: 400.7, fy: 401.2, cx: 310, cy: 190 }
const number = fc.double({ min: -10, max: 10, noNaN: true })
const quaternion = fc
  .tuple(number, number, number, number)
  .filter((q) => Math.hypot(...q) > 0.01)
  .map(normalizeQuaternion)

test('a quaternion turns vectors as q v q* does', () => {
  fc.assert(
    fc.property(quaternion, fc.tuple(number, number, number), ([w, x, y, z], v) => {
      // v + 2 w (u x v) + 2 u x (u x v)
      const cross = (a: number[], b: number[]) => [
        a[1]! * b[2]! - a[2]! * b[1]!,
        a[2]! * b[0]! - a[0]! * b[2]!,
        a[0]! * b[1]! - a[1]! * b[0]!,
      ]
      const uv = cross([x, y, z], v)
      const uuv = cross([x, y, z], uv)
      const rows = quaternionToMatrix([w, x, y, z])
      rows.forEach((row, i) => {
        const turned = row[0] * v[0] + row[1] * v[1] + row[2] * v[2]
        expect(turned).toBeCloseTo(v[i]! + 2 * w * uv[i]! + 2 * uuv[i]!, 10)
      })
    }),
  )
})

test('matrix and quaternion are inverse up to sign', () => {
  fc.assert(
    fc.property(quaternion, (q) => {
      const back = matrixToQuaternion(quaternionToMatrix(q))
      const product = Math.abs(back.reduce((sum, value, i) => sum + value * q[i]!, 0))
      expect(product).toBeCloseTo(1, 12)
      expect(back[0]).toBeGreaterThanOrEqual(0)
    }),
  )
})

test('slerp keeps a constant pace on the shorter way', () => {
  fc.assert(
    fc.property(quaternion, quaternion, fc.double({ min: 0, max: 1, noNaN: true }), (a, b, t) => {
      const angle = (p: readonly number[], q: readonly number[]) =>
        Math.acos(Math.min(1, Math.abs(p.reduce((sum, value, i) => sum + value * q[i]!, 0))))
      const middle = slerp(a, b, t)
      expect(Math.hypot(...middle)).toBeCloseTo(1, 12)
      expect(angle(a, middle)).toBeCloseTo(t * angle(a, b), 6)
    }),
  )
})

test('a COLMAP pose: known camera, centre, and back', () => {
  // The first camera of a real COLMAP model; the quaternion is not exactly of length 1.
  const qvec = [0.401895745409, 0.441794384157, 0.593298235349, -0.539717274026]
  const tvec = [0.219359490278, 0.939124261501, 11.6616429459]
  const view = viewFromColmap({ model: 'PINHOLE', width: 160, height: 90, params: [128, 129, 80, 45] }, { qvec, tvec })
  expect(view).toMatchObject({ width: 160, height: 90, fx: 128, fy: 129, cx: 80, cy: 45 })
  const rows = rotationOf(view)
  const centre = cameraCentre(view)
  expectClose(
    rows.map((row) => row[0] * centre[0] + row[1] * centre[1] + row[2] * centre[2]),
    tvec.map((t) => -t),
    10,
  )
  const back = poseOf(view)
  expectClose(back.qvec, qvec, 10)
  expect(back.tvec).toEqual(tvec)
  const doubled = viewFromColmap(
    { model: 'PINHOLE', width: 160, height: 90, params: [128, 129, 80, 45] },
    { qvec: qvec.map((q) => 2 * q), tvec },
  )
  expectClose(doubled.worldToCamera, view.worldToCamera, 12)
})

test('a simple pinhole has one focal length', () => {
  const pose = { qvec: [1, 0, 0, 0], tvec: [1, 2, 3] }
  const view = viewFromColmap({ model: 'SIMPLE_PINHOLE', width: 8, height: 6, params: [7, 4, 3] }, pose)
  expect(view).toEqual({
    width: 8,
    height: 6,
    fx: 7,
    fy: 7,
    cx: 4,
    cy: 3,
    worldToCamera: [1, 0, 0, 1, 0, 1, 0, 2, 0, 0, 1, 3],
  })
})

test('lookAt puts the target on the axis and up upwards', () => {
  const point = fc.tuple(number, number, number)
  fc.assert(
    fc.property(point, point, point, (eye, target, up) => {
      const d = target.map((value, i) => value - eye[i]!)
      const sine = Math.hypot(
        d[1]! * up[2] - d[2]! * up[1],
        d[2]! * up[0] - d[0]! * up[2],
        d[0]! * up[1] - d[1]! * up[0],
      )
      fc.pre(sine > 1e-3 * Math.hypot(...d) * Math.hypot(...up) && Math.hypot(...d) > 1e-3 && Math.hypot(...up) > 1e-3)
      const view = lookAt(eye, target, up, intrinsics)
      expectClose(cameraCentre(view), eye)
      expectClose(
        viewDirection(view),
        d.map((value) => value / Math.hypot(...d)),
      )
      expect(viewUp(view).reduce((sum, value, i) => sum + value * up[i]!, 0)).toBeGreaterThan(0)
      const [a, b, c] = rotationOf(view)
      const determinant =
        a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0])
      expect(determinant).toBeCloseTo(1, 9)
    }),
  )
})

test('scaling moves every projected point by the ratio of the sizes', () => {
  const view: View = { ...intrinsics, worldToCamera: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] }
  const half = scaleView(view, 213, 90)
  expect(half.fx * 0.3 + half.cx).toBeCloseTo(((view.fx * 0.3 + view.cx) * 213) / 640, 12)
  expect(half.fy * 0.3 + half.cy).toBeCloseTo(((view.fy * 0.3 + view.cy) * 90) / 360, 12)
  expect(half.worldToCamera).toEqual(view.worldToCamera)
})

test('parityView floors focal lengths and centres the principal point', () => {
  const view = parityView(intrinsics, { downsample: 3, width: 214, height: 120 })
  expect(view).toEqual({ width: 214, height: 120, fx: 133, fy: 133, cx: 107, cy: 60 })
  expect(parityView(intrinsics)).toMatchObject({ fx: 400, fy: 401, cx: 320, cy: 180 })
})

test('wrong poses', () => {
  const camera = { model: 'PINHOLE', width: 8, height: 6, params: [7, 7, 4, 3] } as const
  const pose = { qvec: [1, 0, 0, 0], tvec: [0, 0, 0] }
  expect(() => viewFromColmap(camera, { ...pose, qvec: [0, 0, 0, 0] })).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: a rotation must be four finite numbers (w, x, y, z), not all zero, got [0, 0, 0, 0]]`,
  )
  expect(() => viewFromColmap(camera, { ...pose, tvec: [0, Number.NaN, 0] })).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: a translation must be three finite numbers, got [0, NaN, 0]]`,
  )
  expect(() =>
    viewFromColmap({ ...camera, model: 'RADIAL', params: [7, 4, 3, 0, 0] }, pose),
  ).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: a view needs an undistorted camera, got RADIAL; undistort the images (undistortedView, undistortionMap)]`,
  )
  expect(() => lookAt([0, 0, 0], [0, 0, 0], [0, 1, 0], intrinsics)).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: cannot look from [0, 0, 0] to [0, 0, 0] with [0, 1, 0] upwards; the points must differ and up must not be in line with them]`,
  )
  expect(() => lookAt([0, 0, 0], [0, 2, 0], [0, 1, 0], intrinsics)).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: cannot look from [0, 0, 0] to [0, 2, 0] with [0, 1, 0] upwards; the points must differ and up must not be in line with them]`,
  )
  expect(() => scaleView(intrinsics, 10.5, 3)).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: image size must be positive integers, got 10.5 x 3]`,
  )
  expect(() => parityView(intrinsics, { downsample: 1000 })).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: focal lengths must be positive pixels, got 0, 0]`,
  )
  expect(() => cameraCentre({ ...intrinsics, worldToCamera: [1, 2] })).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: worldToCamera must be twelve finite numbers, got [1, 2]]`,
  )
})

test('finds the pixel of a point, and none outside of the image or behind the camera', () => {
  // At (1, 2, 3), looking along x of the world.
  const worldToCamera = [0, 0, -1, 3, 0, 1, 0, -2, 1, 0, 0, -1]
  const view = { width: 20, height: 10, fx: 8, fy: 4, cx: 10.5, cy: 5, worldToCamera }
  expect(pixelOf(view, 5, 2, 3)).toEqual({ x: 10, y: 5, depth: 4 })
  expect(pixelOf(view, 5, 4, 1)).toEqual({ x: 14, y: 7, depth: 4 })
  // The last column ends at 20.
  expect(pixelOf(view, 3, 2, 0.63)?.x).toBe(19)
  expect(pixelOf(view, 3, 2, 0.62)).toBeNull()
  expect(pixelOf(view, 0, 2, 3)).toBeNull()
})
