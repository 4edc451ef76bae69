import { type Camera, createLens, remapImage, undistortedView, undistortionMap } from '@clipgstream/camera'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const size = { width: 96, height: 64 }
const barrel: Camera = { model: 'OPENCV', ...size, params: [70, 72, 50, 30, -0.2, 0.03, 0.001, -0.001] }
const pincushion: Camera = { model: 'SIMPLE_RADIAL', ...size, params: [70, 48, 32, 0.15] }

test('an undistorted camera stays as it is', () => {
  const camera: Camera = { model: 'PINHOLE', ...size, params: [70, 71, 50, 30] }
  expect(undistortedView(camera)).toEqual({ ...size, fx: 70, fy: 71, cx: 50, cy: 30 })
})

test('a lens without distortion loses one or two pixels, as in COLMAP, which rounds down', () => {
  const camera: Camera = { model: 'SIMPLE_RADIAL', ...size, params: [70, 48, 32, 0] }
  expect(undistortedView(camera)).toEqual({ width: 94, height: 62, fx: 70, fy: 70, cx: 47, cy: 31 })
})

describe.each([
  ['barrel', barrel],
  ['pincushion', pincushion],
] as const)('%s', (_, camera) => {
  test('no blank pixels by default, focal length kept', () => {
    const target = undistortedView(camera)
    expect([target.fx, target.fy]).toEqual([70, camera === barrel ? 72 : 70])
    const map = undistortionMap(camera, target)
    const inside = (at: number, limit: number) => map[at]! >= 0 && map[at]! <= limit
    let blank = 0
    for (let i = 0; i < target.width * target.height; i++) {
      if (!inside(2 * i, size.width) || !inside(2 * i + 1, size.height)) blank++
    }
    expect(blank).toBe(0)
  })

  test('every source pixel at blankPixels 1', () => {
    const target = undistortedView(camera, { blankPixels: 1 })
    const { unproject } = createLens(camera)
    for (const [x, y] of [
      [0.5, 0.5],
      [95.5, 0.5],
      [0.5, 63.5],
      [95.5, 63.5],
      [48, 0.5],
      [0.5, 32],
    ] as const) {
      const ray = unproject(x, y)
      if (!ray) throw new Error('no ray')
      const u = (target.fx * ray[0]) / ray[2] + target.cx
      const v = (target.fy * ray[1]) / ray[2] + target.cy
      // The new size is rounded down.
      expect(u).toBeGreaterThan(-1.5)
      expect(u).toBeLessThan(target.width + 1.5)
      expect(v).toBeGreaterThan(-1.5)
      expect(v).toBeLessThan(target.height + 1.5)
    }
  })

  test('the map is the projection of the target pixel, and scales are bounded', () => {
    const target = undistortedView(camera, { minScale: 0.5, maxScale: 0.5 })
    expect(target).toMatchObject({ width: 48, height: 32 })
    const map = undistortionMap(camera, target)
    const { project } = createLens(camera)
    const at = 2 * (10 * 48 + 7)
    const expected = project([(7.5 - target.cx) / target.fx, (10.5 - target.cy) / target.fy, 1])
    expect([map[at], map[at + 1]]).toEqual(expected?.map(Math.fround))
  })
})

test('a fisheye lens of wide angle', () => {
  const camera: Camera = { model: 'OPENCV_FISHEYE', ...size, params: [30, 30, 48, 32, 0, 0, 0, 0] }
  const target = undistortedView(camera)
  expect(target.width).toBe(192)
  expect(undistortionMap(camera, target).every(Number.isFinite)).toBe(true)
})

test('remapping by the identity gives the same bytes, and moves by half pixels average', () => {
  const data = Uint8Array.from({ length: size.width * size.height * 3 }, (_, i) => (i * 37) % 251)
  const image = { ...size, channels: 3, data }
  const map = new Float32Array(size.width * size.height * 2)
  for (let y = 0, at = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++, at += 2) map.set([x + 0.5, y + 0.5], at)
  }
  expect(remapImage(image, map, size).data).toEqual(data)
  const moved = remapImage(
    image,
    map.map((value, i) => (i % 2 ? value : value + 0.5)),
    size,
  ).data
  expect(moved[0]).toBe(Math.round((data[0]! + data[3]!) / 2))
  // Half a pixel over the border repeats it; beyond is blank.
  expect(moved[(size.width - 1) * 3]).toBe(data[(size.width - 1) * 3])
  const gone = remapImage(
    image,
    map.map((value) => value - 1),
    size,
    9,
  ).data
  expect([...gone.subarray(0, 3)]).toEqual([9, 9, 9])
  expect(gone[(size.width + 1) * 3]).toBe(data[0])
})

test('a smooth scene seen through a lens comes back straight', () => {
  // The scene is a function of the ray, so the right answer is known everywhere.
  const scene = (x: number, y: number) => 128 + 60 * Math.sin(3 * x) + 60 * Math.cos(4 * y)
  const { unproject } = createLens(barrel)
  const data = new Uint8Array(size.width * size.height)
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const ray = unproject(x + 0.5, y + 0.5)
      data[y * size.width + x] = ray ? Math.round(scene(ray[0] / ray[2], ray[1] / ray[2])) : 0
    }
  }
  const target = undistortedView(barrel)
  const { data: straight } = remapImage({ ...size, channels: 1, data }, undistortionMap(barrel, target), target)
  let worst = 0
  for (let y = 0; y < target.height; y++) {
    for (let x = 0; x < target.width; x++) {
      const expected = scene((x + 0.5 - target.cx) / target.fx, (y + 0.5 - target.cy) / target.fy)
      worst = Math.max(worst, Math.abs(straight[y * target.width + x]! - expected))
    }
  }
  expect(worst).toBeLessThan(2.5)
})

test('any map and size stay inside memory', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.float({ noDefaultInfinity: false }), { minLength: 8, maxLength: 8 }),
      (width, height, values) => {
        const data = new Uint8Array(width * height).fill(200)
        const map = Float32Array.from(values)
        const result = remapImage({ width, height, channels: 1, data }, map, { width: 4, height: 1 }, 3).data
        for (const value of result) expect([3, 200]).toContain(value)
      },
    ),
  )
})

test('wrong input', () => {
  expect(() => undistortedView(barrel, { blankPixels: 2 })).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: blankPixels must be in [0, 1], got 2]`,
  )
  expect(() => undistortedView(barrel, { minScale: 3 })).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: minScale and maxScale must be positive and in order, got 3 and 2]`,
  )
  const folded: Camera = { ...size, model: 'SIMPLE_RADIAL', params: [20, 48, 32, -0.9] }
  expect(() => undistortedView(folded)).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: SIMPLE_RADIAL [20, 48, 32, -0.9] cannot be undistorted: no border pixel has a ray; check its parameters]`,
  )
  const image = { ...size, channels: 3, data: new Uint8Array(5) }
  expect(() => remapImage(image, new Float32Array(2), { width: 1, height: 1 })).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: an image of 96 x 64 x 3 needs as many bytes, got 5]`,
  )
  const good = { width: 1, height: 1, channels: 1, data: new Uint8Array(1) }
  expect(() => remapImage(good, new Float32Array(3), { width: 1, height: 1 })).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: a map for 1 x 1 pixels needs two numbers each, got 3]`,
  )
})
