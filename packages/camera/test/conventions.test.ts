import {
  type CameraAxes,
  cameraToWorldFrom,
  createLens,
  lookAt,
  nearestRotation,
  rotationFromVector,
  rotationOf,
  scaleCamera,
  type Vec3,
  vectorFromRotation,
  worldToCameraFrom,
} from '@clipgstream/camera'
import { describe, expect, test } from 'vitest'
import { expectClose } from './close.js'

const intrinsics = { width: 64, height: 36, fx: 50, fy: 52, cx: 32, cy: 18 }
const view = lookAt([1, 2, 3], [-0.5, 0.25, 0.125], [0.1, 0.2, 1], intrinsics)
const apply = (m: readonly number[], [x, y, z]: Vec3) =>
  [0, 4, 8].map((row) => m[row]! * x + m[row + 1]! * y + m[row + 2]! * z + m[row + 3]!)

describe('camera axes', () => {
  test.each<[CameraAxes, Vec3, Vec3, Vec3]>([
    // Where one unit to the right, down and forward lies in the camera's own axes.
    ['opencv', [1, 0, 0], [0, 1, 0], [0, 0, 1]],
    ['opengl', [1, 0, 0], [0, -1, 0], [0, 0, -1]],
    ['llff', [0, 1, 0], [1, 0, 0], [0, 0, -1]],
  ])('%s', (axes, right, down, forward) => {
    const cameraToWorld = cameraToWorldFrom(view.worldToCamera, axes)
    const own = [right, down, forward] as const
    own.forEach((point, axis) => {
      const inCamera = apply(view.worldToCamera, apply(cameraToWorld, point) as unknown as Vec3)
      expectClose(
        inCamera,
        [0, 1, 2].map((i) => (i === axis ? 1 : 0)),
        12,
      )
    })
    expectClose(worldToCameraFrom(cameraToWorld, axes), view.worldToCamera, 12)
    expectClose(worldToCameraFrom([...cameraToWorld, 0, 0, 0, 1], axes), view.worldToCamera, 12)
  })

  test('a uniform scale and rounding go away, a mirror and a shear do not', () => {
    const exact = cameraToWorldFrom(view.worldToCamera, 'opengl')
    const large = exact.map((value, i) => (i % 4 === 3 ? value : value * 2.5))
    expectClose(worldToCameraFrom(large, 'opengl'), view.worldToCamera, 12)
    const rounded = exact.map((value) => Math.round(value * 1e6) / 1e6)
    const rows = rotationOf({ ...view, worldToCamera: worldToCameraFrom(rounded, 'opengl') })
    expectClose(
      rows.map((row) => Math.hypot(...row)),
      [1, 1, 1],
      14,
    )
    const mirrored = exact.map((value, i) => (i % 4 === 0 ? -value : value))
    expect(() => worldToCameraFrom(mirrored, 'opengl')).toThrow(/must not mirror/)
    const sheared = exact.map((value, i) => (i % 4 === 0 ? value * 1.1 : value))
    expect(() => worldToCameraFrom(sheared, 'opengl')).toThrow(/orthogonal rows of one length/)
  })

  test.each([
    ['too few numbers', () => worldToCameraFrom([1, 2], 'opencv'), /12 or 16 finite/],
    ['not finite', () => worldToCameraFrom(Array(12).fill(Number.NaN), 'opencv'), /12 or 16 finite/],
    ['a last row', () => worldToCameraFrom(Array(16).fill(1), 'opencv'), /last row/],
    ['zeros', () => worldToCameraFrom(Array(12).fill(0), 'opencv'), /must not be zero/],
    ['an endless vector', () => rotationFromVector([Number.POSITIVE_INFINITY, 0, 0]), /must be finite/],
    ['a short inverse', () => cameraToWorldFrom([1], 'opencv'), /twelve finite/],
  ])('refuses %s', (_, run, message) => expect(run).toThrow(message))
})

describe('rotation vectors', () => {
  test('a quarter turn about z', () => {
    expectClose(rotationFromVector([0, 0, Math.PI / 2]).flat(), [0, -1, 0, 1, 0, 0, 0, 0, 1], 15)
  })
  test.each<[Vec3]>([[[0.1, -0.2, 0.3]], [[0, 0, 0]], [[1e-10, 0, 0]], [[3, 0.5, -0.4]], [[-2, 1, 1.5]]])(
    'there and back %j',
    (vector) => {
      expectClose(vectorFromRotation(rotationFromVector(vector)), vector, 12)
      const rotation = rotationFromVector(vector)
      expectClose(nearestRotation(rotation).flat(), rotation.flat(), 14)
    },
  )
})

describe('scaleCamera', () => {
  const points: Vec3[] = [
    [0.3, -0.2, 1],
    [-0.4, 0.1, 1.5],
  ]
  test.each([
    [{ model: 'SIMPLE_RADIAL', width: 64, height: 36, params: [50, 30, 19, -0.1] } as const, 32, 18, 'SIMPLE_RADIAL'],
    [{ model: 'SIMPLE_RADIAL', width: 64, height: 36, params: [50, 30, 19, -0.1] } as const, 32, 36, 'OPENCV'],
    [
      { model: 'RADIAL_FISHEYE', width: 64, height: 36, params: [50, 30, 19, -0.1, 0.02] } as const,
      128,
      36,
      'OPENCV_FISHEYE',
    ],
    [
      {
        model: 'FULL_OPENCV',
        width: 64,
        height: 36,
        params: [50, 51, 30, 19, -0.1, 0.02, 0.01, 0, 0.1, 0, 0.1, 0],
      } as const,
      16,
      9,
      'FULL_OPENCV',
    ],
  ])('sees the same in a resized image', (camera, width, height, model) => {
    const scaled = scaleCamera(camera, width, height)
    expect(scaled.model).toBe(model)
    for (const point of points) {
      const [x, y] = createLens(camera).project(point) ?? []
      expectClose(createLens(scaled).project(point) ?? [], [(x! * width) / 64, (y! * height) / 36], 10)
    }
  })
})
