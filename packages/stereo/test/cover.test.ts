import { rotationOf } from '@clipgstream/camera'
import { coverHoles, type StereoCloud } from '@clipgstream/stereo'
import { describe, expect, it } from 'vitest'
import { distanceToScene, ring, type Shot, sceneRadius, shoot } from './scene.js'

/** Everything is grey: nothing but the cloud tells depths. */
const captures = ring(8, 96, 72).map((view) => shoot(view, 0))

/** The surface behind every pixel of all views. */
function surface({ view, depths }: Shot): number[][] {
  const [right, down, forward] = rotationOf(view)
  const m = view.worldToCamera
  const centre = [0, 1, 2].map((a) => -(m[a]! * m[3]! + m[4 + a]! * m[7]! + m[8 + a]! * m[11]!))
  return [...depths].map((z, i) => {
    const x = (((i % view.width) + 0.5 - view.cx) / view.fx) * z
    const y = ((Math.floor(i / view.width) + 0.5 - view.cy) / view.fy) * z
    return [0, 1, 2].map((a) => centre[a]! + right[a]! * x + down[a]! * y + forward[a]! * z)
  })
}

function cloudOf(points: readonly (readonly number[])[]): StereoCloud {
  return {
    count: points.length,
    positions: Float32Array.from(points.flat()),
    colors: new Uint8Array(3 * points.length).fill(128),
    // Unknown.
    normals: new Float32Array(3 * points.length),
  }
}

/** The unit normal of the floor, the wall or a sphere. */
function normalOf([x = 0, y = 0, z = 0]: readonly number[]): number[] {
  if (Math.abs(z) < 1e-4) return [0, 0, 1]
  if (Math.abs(Math.hypot(x, y) - 4.5) < 1e-3) return [-x / 4.5, -y / 4.5, 0]
  const sphere = Math.hypot(x - 0.5, y - 0.3, z - 0.6) < 0.7 ? [0.5, 0.3, 0.6] : [-0.9, -0.5, 0.45]
  const d = [x, y, z].map((value, i) => value - sphere[i]!)
  return d.map((value) => value / Math.hypot(...d))
}

const all = captures.flatMap(surface)
/** On the floor before the spheres, half the radius of the scene wide. */
const isHole = ([x = 0, y = 0, z = 0]: readonly number[]) => Math.abs(z) < 0.01 && Math.hypot(x - 0.3, y + 1.2) < 0.5
const cloud = cloudOf(all.filter((point) => !isHole(point)))
const rows = ({ positions }: StereoCloud) =>
  Array.from({ length: positions.length / 3 }, (_, i) => [...positions.subarray(3 * i, 3 * i + 3)])

describe('what has no texture', () => {
  it('is covered where the hole is, on the surface that goes on around it', () => {
    const points = rows(coverHoles(captures, cloud))
    expect(points.length).toBeGreaterThan(40)
    const errors = points.map(([x = 0, y = 0, z = 0]) => distanceToScene(x, y, z)).sort((a, b) => a - b)
    expect(errors[errors.length >> 1]).toBeLessThan(0.01 * sceneRadius)
    expect(errors[Math.floor(0.95 * errors.length)]).toBeLessThan(0.05 * sceneRadius)
    const inHole = points.filter(([x = 0, y = 0]) => Math.hypot(x - 0.3, y + 1.2) < 0.6)
    expect(inHole.length).toBeGreaterThan(0.9 * points.length)
    // All over the hole, which cells of 2 pixels divide in some 12 by 12.
    for (const [x, y] of [
      [0.3, -1.2],
      [0.6, -1.2],
      [0.3, -1.5],
    ] as const)
      expect(Math.min(...points.map(([px = 0, py = 0]) => Math.hypot(px - x, py - y)))).toBeLessThan(0.12)
  })

  it('goes on as planes do where the cloud ends and its normals are known', () => {
    // Of the floor behind the spheres nothing is known up to the wall.
    const ends = all.filter(([, y = 0, z = 0]) => !(Math.abs(z) < 0.01 && y > 1))
    const without = cloudOf(ends)
    const known = { ...without, normals: Float32Array.from(ends.flatMap(normalOf)) }
    const errorsOf = (from: StereoCloud) => {
      const points = rows(coverHoles(captures, from))
      expect(points.length).toBeGreaterThan(200)
      return points.map(([x = 0, y = 0, z = 0]) => distanceToScene(x, y, z)).sort((a, b) => a - b)
    }
    const [flat, sloped] = [errorsOf(without), errorsOf(known)]
    const at = (errors: number[], part: number) => errors[Math.floor(part * errors.length)] ?? 0
    expect(at(sloped, 0.5)).toBeLessThan(0.005 * sceneRadius)
    expect(at(sloped, 0.9)).toBeLessThan(0.02 * sceneRadius)
    expect(at(flat, 0.5)).toBeGreaterThan(10 * at(sloped, 0.5))
  })

  it('has something beyond the horizon of a floor, where nothing else is known', () => {
    const floor = all.filter((point) => Math.abs(point[2] ?? 0) < 1e-4)
    const cover = coverHoles(captures, { ...cloudOf(floor), normals: Float32Array.from(floor.flatMap(normalOf)) })
    const { view } = captures[0]!
    const m = view.worldToCamera
    const cells = new Set<number>()
    const cellOf = (x: number, y: number) => Math.floor(y / 4) * Math.ceil(view.width / 4) + Math.floor(x / 4)
    for (const [x = 0, y = 0, z = 0] of rows(cover)) {
      const along = (row: number) => m[row]! * x + m[row + 1]! * y + m[row + 2]! * z + m[row + 3]!
      const depth = along(8)
      if (depth > 0) cells.add(cellOf((view.fx * along(0)) / depth + view.cx, (view.fy * along(4)) / depth + view.cy))
    }
    // What the first camera sees of the wall.
    const onWall = surface(captures[0]!).flatMap(([x = 0, y = 0], i) => (Math.hypot(x, y) > 4.49 ? [i] : []))
    const covered = onWall.filter((i) => cells.has(cellOf(i % view.width, Math.floor(i / view.width))))
    expect(onWall.length).toBeGreaterThan(1000)
    expect(covered.length).toBeGreaterThan(0.95 * onWall.length)
  })

  it('is not covered by what strays alone', () => {
    // Half-way from the first camera to the hole.
    const m = captures[0]!.view.worldToCamera
    const centre = [0, 1, 2].map((a) => -(m[a]! * m[3]! + m[4 + a]! * m[7]! + m[8 + a]! * m[11]!))
    const stray = centre.map((value, a) => 0.5 * (value + [0.3, -1.2, 0][a]!))
    const points = rows(coverHoles(captures, cloudOf([...all.filter((point) => !isHole(point)), stray])))
    const near = points.filter((point) => Math.hypot(...point.map((value, a) => value - stray[a]!)) < 0.5)
    expect(near).toEqual([])
    expect(points.length).toBeGreaterThan(40)
  })

  it('needs no cover where there is none, and cannot have any where nothing is known', () => {
    // At outlines there are cells in which no two points are of one surface: fewer than one in a thousand.
    expect(coverHoles(captures, cloudOf(all)).count).toBeLessThan(captures.length * 48 * 36 * 0.001)
    expect(coverHoles(captures, cloudOf([])).count).toBe(0)
  })

  it('asks for cells and differences that make sense', () => {
    expect(() => coverHoles(captures, cloud, { cell: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: coverHoles: cell must be an integer from 1 on, got 0]`,
    )
    expect(() => coverHoles(captures, cloud, { difference: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: coverHoles: difference must be between 0 and 1, got 1]`,
    )
    expect(() => coverHoles([], cloud)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: coverHoles: captures must be images of several views, got none]`,
    )
  })
})
