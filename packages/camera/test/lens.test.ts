import { type Camera, cameraModel, cameraModels, createLens, project, unproject } from '@clipgstream/camera'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { examples, projections } from './oracle.js'

const size = { width: 640, height: 480 }

describe.each(cameraModels)('$name', ({ name, id, parameters }) => {
  const camera: Camera = { model: name, ...size, params: examples[name] }

  test('is found by id and name and counts its parameters', () => {
    expect(cameraModel(id)).toBe(cameraModel(name))
    expect(parameters).toHaveLength(examples[name].length)
  })

  test('projects as written', () => {
    const { project } = createLens(camera)
    for (const [x, y, z] of [
      [0.3, -0.2, 1],
      [-0.5, 0.4, 1.3],
      [0.001, 0.002, 5],
      [2, 1.5, 4],
      [1e-7, -1e-7, 1],
    ] as const) {
      const expected = projections[name](camera.params, x, y, z)
      const actual = project([x, y, z])
      expect(actual?.[0]).toBeCloseTo(expected[0], 9)
      expect(actual?.[1]).toBeCloseTo(expected[1], 9)
    }
    expect(project([0, 0, 2])).toEqual([
      camera.params.at(parameters.indexOf('cx')),
      camera.params.at(parameters.indexOf('cy')),
    ])
  })

  test('unproject inverts project to 1e-9 pixels over the image', () => {
    const lens = createLens(camera)
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 640, noNaN: true }),
        fc.double({ min: 0, max: 480, noNaN: true }),
        (x, y) => {
          const ray = lens.unproject(x, y)
          if (!ray) throw new Error(`no ray at ${x}, ${y}`)
          expect(Math.hypot(...ray)).toBeCloseTo(1, 12)
          const back = lens.project(ray)
          expect(Math.hypot((back?.[0] ?? Number.NaN) - x, (back?.[1] ?? Number.NaN) - y)).toBeLessThan(1e-9)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('unproject finds the ray that projected there', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -0.6, max: 0.6, noNaN: true }),
        fc.double({ min: -0.45, max: 0.45, noNaN: true }),
        (x, y) => {
          const pixel = project(camera, [x, y, 1])
          const ray = pixel && unproject(camera, ...pixel)
          expect(ray && ray[0] / ray[2]).toBeCloseTo(x, 9)
          expect(ray && ray[1] / ray[2]).toBeCloseTo(y, 9)
        },
      ),
    )
  })
})

test('points that a lens cannot see', () => {
  const pinhole: Camera = { model: 'PINHOLE', ...size, params: examples.PINHOLE }
  expect(project(pinhole, [0, 0, 0])).toBeNull()
  expect(project(pinhole, [0, 0, -1])).toBeNull()
  const fisheye: Camera = { model: 'SIMPLE_RADIAL_FISHEYE', ...size, params: [120, 320, 240, 0] }
  expect(project(fisheye, [0, 0, -1])).toBeNull()
  const sideways = project(fisheye, [1, 0, -0.2])
  expect(sideways && unproject(fisheye, ...sideways)?.[2]).toBeCloseTo(-0.2 / Math.hypot(1, 0.2), 12)
  const fov: Camera = { model: 'FOV', ...size, params: [100, 100, 320, 240, 0] }
  expect(project(fov, [1, 1, 2])).toEqual([370, 290])
})

test('no ray beyond the fold of a barrel distortion', () => {
  const camera: Camera = { model: 'SIMPLE_RADIAL', ...size, params: [200, 320, 240, -0.5] }
  // r (1 - r^2 / 2) has its maximum 0.5443 at r = 0.8165: 108.9 pixels from the centre.
  expect(unproject(camera, 320 + 108, 240)).not.toBeNull()
  expect(unproject(camera, 320 + 110, 240)).toBeNull()
  expect(unproject(camera, 0, 0)).toBeNull()
})

test('any parameters end, in a ray that projects back or in null', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 8, maxLength: 8 }),
      fc.double({ min: -2000, max: 2000, noNaN: true }),
      fc.double({ min: -2000, max: 2000, noNaN: true }),
      (k, x, y) => {
        const camera: Camera = { model: 'FULL_OPENCV', ...size, params: [500, 500, 320, 240, ...k] }
        const ray = unproject(camera, x, y)
        const back = ray && project(camera, ray)
        if (ray) expect(Math.hypot((back?.[0] ?? Number.NaN) - x, (back?.[1] ?? Number.NaN) - y)).toBeLessThan(1e-6)
      },
    ),
    { numRuns: 500 },
  )
})

test('wrong cameras', () => {
  expect(() => cameraModel(99)).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: camera model 99 is not supported; convert to one of SIMPLE_PINHOLE (0), PINHOLE (1), SIMPLE_RADIAL (2), RADIAL (3), OPENCV (4), OPENCV_FISHEYE (5), FULL_OPENCV (6), FOV (7), SIMPLE_RADIAL_FISHEYE (8), RADIAL_FISHEYE (9), THIN_PRISM_FISHEYE (10), for instance with COLMAP's image_undistorter]`,
  )
  expect(() => createLens({ model: 'OPENCV', ...size, params: [1, 2] })).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: OPENCV takes 8 parameters (fx, fy, cx, cy, k1, k2, p1, p2), got 2]`,
  )
  expect(() =>
    createLens({ model: 'SIMPLE_PINHOLE', ...size, params: [1, Number.NaN, 2] }),
  ).toThrowErrorMatchingInlineSnapshot(`[CameraError: SIMPLE_PINHOLE parameter cx must be finite, got NaN]`)
  expect(() => createLens({ model: 'SIMPLE_PINHOLE', ...size, params: [-1, 0, 2] })).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: focal lengths must be positive pixels, got -1, -1]`,
  )
  expect(() =>
    createLens({ model: 'SIMPLE_PINHOLE', width: 0, height: 2, params: [1, 0, 2] }),
  ).toThrowErrorMatchingInlineSnapshot(`[CameraError: image size must be positive integers, got 0 x 2]`)
})
