import {
  cameraCentre,
  lookAt,
  orbitPath,
  poseOf,
  samplePath,
  sceneExtent,
  sceneFocus,
  sceneFrame,
  sceneUp,
  spiralPath,
  throughPath,
  type Vec3,
  type View,
  viewDirection,
} from '@clipgstream/camera'
import { describe, expect, test } from 'vitest'
import { expectClose } from './close.js'

const intrinsics = { width: 64, height: 36, fx: 50, fy: 50, cx: 32, cy: 18 }
const distance = (a: Vec3, b: Vec3) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])

const focus: Vec3 = [1, -2, 0.5]
const ring = Array.from({ length: 8 }, (_, i) => {
  const angle = (i * Math.PI) / 4
  return lookAt([1 + 5 * Math.cos(angle), -2 + 5 * Math.sin(angle), 3.5], focus, [0, 0, 1], intrinsics)
})
const row = Array.from({ length: 5 }, (_, i) => lookAt([i - 2, 0, 0], [0, 0, 6], [0, -1, 0], intrinsics))

test('scene extent is 1.1 times the largest distance from the mean', () => {
  const { centre, radius } = sceneExtent(ring)
  expectClose(centre, [1, -2, 3.5])
  expect(radius).toBeCloseTo(5.5, 10)
  expect(sceneExtent(ring.slice(0, 1)).radius).toBe(0)
})

test('a ring of cameras says where the scene is and what is up', () => {
  const frame = sceneFrame(ring)
  expectClose(frame.focus, focus)
  expectClose(frame.up, [0, 0, 1])
})

describe('orbit', () => {
  test('goes round at the distance and height of the cameras, starting at the first', () => {
    const path = orbitPath(ring)
    expectClose(cameraCentre(path(0)), cameraCentre(ring[0]!))
    for (const u of [0.1, 0.4, 0.77]) {
      const centre = cameraCentre(path(u))
      expect(centre[2]).toBeCloseTo(3.5, 9)
      expect(Math.hypot(centre[0] - 1, centre[1] + 2)).toBeCloseTo(5, 9)
      const ray = viewDirection(path(u))
      const reach = distance(centre, focus)
      expectClose([centre[0] + reach * ray[0], centre[1] + reach * ray[1], centre[2] + reach * ray[2]], focus)
    }
    expectClose(path(1).worldToCamera, path(0).worldToCamera)
  })

  test('takes what it is told', () => {
    const path = orbitPath(ring.slice(0, 1), { focus, up: [0, 0, 2], radius: 2, height: -1, turns: -0.25 })
    expectClose(cameraCentre(path(1)), [1, -4, -0.5])
  })
})

test('spiral stays within its radii and looks at its focus', () => {
  const path = spiralPath(row)
  for (const view of samplePath(path, 9)) {
    const [x, y] = cameraCentre(view)
    expect(Math.abs(x)).toBeLessThanOrEqual(2 + 1e-9)
    expect(Math.abs(y)).toBeLessThan(1e-9)
    expect(viewDirection(view)[2]).toBeGreaterThan(0.9)
  }
})

describe('through cameras', () => {
  test('passes every camera', () => {
    const path = throughPath(ring)
    ring.forEach((view, i) => {
      const at = path(i / 7)
      expectClose(cameraCentre(at), cameraCentre(view), 8)
      expectClose(viewDirection(at), viewDirection(view), 8)
    })
  })

  test('a closed path comes back, is smooth and stays near the ring', () => {
    const path = throughPath(ring, { closed: true })
    expectClose(cameraCentre(path(1)), cameraCentre(path(0)), 8)
    const views = samplePath(path, 80, { closed: true })
    const centres = views.map(cameraCentre)
    const steps = centres.map((centre, i) => distance(centre, centres[(i + 1) % 80]!))
    expect(Math.max(...steps) / Math.min(...steps)).toBeLessThan(1.2)
    for (const centre of centres) expect(Math.hypot(centre[0] - 1, centre[1] + 2)).toBeGreaterThan(4.8)
  })

  test('coinciding cameras and a single pair', () => {
    const path = throughPath([row[0]!, row[0]!, row[1]!, row[1]!])
    for (const view of samplePath(path, 13)) expect(view.worldToCamera.every(Number.isFinite)).toBe(true)
    expectClose(cameraCentre(throughPath([row[0]!, row[2]!])(0.5)), [-1, 0, 0])
  })

  test('images of other sizes are brought to the first', () => {
    const large: View = { ...row[1]!, width: 128, height: 72, fx: 200, fy: 200, cx: 64, cy: 36 }
    expect(throughPath([row[0]!, large])(1)).toMatchObject({ width: 64, height: 36, fx: 100, fy: 100, cx: 32, cy: 18 })
  })

  test('ease mixes world-to-camera translations with a sine', () => {
    const path = throughPath([ring[0]!, ring[1]!], { mode: 'ease' })
    const weight = 0.5 + 0.5 * Math.sin((0.3 - 0.5) * Math.PI)
    const [a, b] = [poseOf(ring[0]!).tvec, poseOf(ring[1]!).tvec]
    expectClose(
      poseOf(path(0.3)).tvec,
      [0, 1, 2].map((i) => a[i]! * (1 - weight) + b[i]! * weight),
    )
  })
})

test('sampling', () => {
  const seen: number[] = []
  const path = (u: number) => {
    seen.push(u)
    return ring[0]!
  }
  samplePath(path, 3)
  samplePath(path, 4, { closed: true })
  samplePath(path, 1)
  expect(seen).toEqual([0, 0.5, 1, 0, 0.25, 0.5, 0.75, 0])
})

test('degenerate input', () => {
  const parallel = [0, 1].map((x) => lookAt([x, 0, 0], [x, 0, 1], [0, -1, 0], intrinsics))
  expect(() => sceneExtent([])).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: the scene extent needs at least one view, got none]`,
  )
  expect(() => sceneFocus(parallel)).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: the optical axes are parallel or fewer than two, so they have no common focus; pass one]`,
  )
  expect(() => sceneFocus([])).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: the optical axes are parallel or fewer than two, so they have no common focus; pass one]`,
  )
  const upside = [parallel[0]!, lookAt([0, 0, 0], [0, 0, 1], [0, 1, 0], intrinsics)]
  expect(() => sceneUp(upside)).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: the cameras have no common up direction; pass one]`,
  )
  expect(() => orbitPath([])).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: a path needs at least one view, got none]`,
  )
  expect(() => orbitPath(ring, { radius: 0 })).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: an orbit needs a radius above 0, got 0; pass a radius, or a focus off the cameras]`,
  )
  const above = lookAt([1, -2, 5], focus, [0, 1, 0], intrinsics)
  expect(() => orbitPath([above], { focus, up: [0, 0, 1] })).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: an orbit needs a radius above 0, got 0; pass a radius, or a focus off the cameras]`,
  )
  const level = [0, 1, 2, 3].map((i) =>
    lookAt([Math.cos((i * Math.PI) / 2), Math.sin((i * Math.PI) / 2), 0], [0, 0, 0], [0, 0, 1], intrinsics),
  )
  expect(() => spiralPath(level)).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: a spiral needs cameras that look the same way; use an orbit for cameras around a scene]`,
  )
  expect(() => throughPath(ring.slice(0, 1))).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: a path through cameras needs at least two, got 1]`,
  )
  expect(() => samplePath(orbitPath(ring), 0)).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: count must be a positive integer, got 0]`,
  )
  expect(() => orbitPath(ring)(Number.NaN)).toThrowErrorMatchingInlineSnapshot(
    `[CameraError: the position on a path must be a number, got NaN]`,
  )
})
