import { cameraCentre } from '@clipgstream/camera'
import {
  cloudOfTracks,
  defaultAgreement,
  depthRange,
  distantPoints,
  findCorners,
  focusDistance,
  greyOf,
  halve,
  joinPairs,
  mergeClouds,
  type Observation,
  rankSources,
  type StereoCloud,
  sparseCloud,
  splitOverTime,
  triangulate,
} from '@clipgstream/stereo'
import { createRandom } from '@clipgstream/tensor'
import { describe, expect, it } from 'vitest'
import { shots } from './inputs.js'
import { toCamera } from './oracle.js'
import { distanceToScene, ring, sceneRadius } from './scene.js'

function cloudOf(points: readonly (readonly number[])[], colour = 100): StereoCloud {
  return {
    count: points.length,
    positions: Float32Array.from(points.flat()),
    colors: new Uint8Array(3 * points.length).fill(colour),
    normals: new Float32Array(3 * points.length),
  }
}

function flat(width: number, height: number, value: (x: number, y: number) => number) {
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) =>
    value(Math.floor(i / 3) % width, Math.floor(i / 3 / width)),
  )
  return { width, height, data }
}

describe('cameras of a ring', () => {
  const views = ring(20, 64, 48)

  it('have their neighbours as sources, the nearest first, and nobody from behind', () => {
    rankSources(views).forEach((sources, i) => {
      const steps = sources.map(({ view }) => Math.min((view - i + 20) % 20, (i - view + 20) % 20))
      expect(steps.slice(0, 2)).toEqual([1, 1])
      expect(Math.max(...steps)).toBeLessThan(6)
      expect(sources.length).toBeGreaterThanOrEqual(4)
    })
  })

  it('must agree by three, or by two where they are far apart', () => {
    expect(defaultAgreement(rankSources(views))).toBe(2)
    expect(defaultAgreement(rankSources(ring(10, 64, 48, 36)))).toBe(1)
  })

  it('see depths around the focus, or those of the points', () => {
    const distance = focusDistance(views, 0)
    expect(distance).toBeCloseTo(Math.hypot(sceneRadius, 1.1), 0)
    expect(depthRange(views, 0)).toEqual({ near: 0.15 * distance, far: 5 * distance })
    const centre = cameraCentre(views[0]!)
    const points = Float32Array.from({ length: 300 }, (_, i) => {
      const t = (2 + Math.floor(i / 3) / 100) / Math.hypot(...centre)
      return centre[i % 3]! * (1 - t)
    })
    const { near, far } = depthRange(views, 0, points)
    expect(near).toBeGreaterThan(0.6 * 2 * 0.95)
    expect(far).toBeLessThan(1.5 * 3.1)
    // A few points tell nothing.
    expect(depthRange(views, 0, points.slice(0, 30))).toEqual(depthRange(views, 0))
  })

  it('without a common focus are told by their distances', () => {
    const { worldToCamera: m, ...rest } = views[0]!
    const row = [0, 1, 2, 3].map((i) => ({
      ...rest,
      worldToCamera: m.map((value, k) => (k === 3 ? value + 0.5 * i : value)),
    }))
    expect(focusDistance(row, 1)).toBeCloseTo(8 * 0.5, 9)
    expect(rankSources(row)[0]?.length).toBeGreaterThan(0)
  })
})

describe('pictures', () => {
  it('are halved by means of four pixels, an odd last row left out', () => {
    const grey = { width: 3, height: 3, data: Uint8Array.of(1, 2, 9, 3, 5, 9, 9, 9, 9) }
    expect(halve(grey)).toEqual({ width: 1, height: 1, data: Uint8Array.of(3) })
    expect(greyOf({ width: 2, height: 1, data: Uint8Array.of(255, 255, 255, 255, 0, 0) }).data).toEqual(
      Uint8Array.of(255, 76),
    )
  })
})

describe('clouds', () => {
  it('are averaged by voxel, in the order in which voxels are met, however many there are', () => {
    const random = createRandom(2)
    const count = 20_000
    const cloud: StereoCloud = {
      count,
      positions: Float32Array.from({ length: 3 * count }, () => 3 * random.normal()),
      colors: Uint8Array.from({ length: 3 * count }, () => 256 * random.uniform()),
      normals: Float32Array.from({ length: 3 * count }, () => random.normal()),
    }
    const voxel = 0.3
    const cells = new Map<string, number[]>()
    for (let i = 0; i < count; i++) {
      const key = [...cloud.positions.subarray(3 * i, 3 * i + 3)].map((value) => Math.floor(value / voxel)).join(' ')
      const known = cells.get(key)
      if (known) known.push(i)
      else cells.set(key, [i])
    }
    const merged = mergeClouds([cloud], voxel)
    // The grid has grown a few times, and most voxels have several points.
    expect(cells.size).toBeGreaterThan(5000)
    const mean = (values: ArrayLike<number>, points: readonly number[], axis: number) =>
      points.reduce((sum, i) => sum + values[3 * i + axis]!, 0) / points.length
    const of = (values: ArrayLike<number>) =>
      [...cells.values()].flatMap((points) => [0, 1, 2].map((axis) => mean(values, points, axis)))
    expect(merged.count).toBe(cells.size)
    expect(merged.positions).toEqual(Float32Array.from(of(cloud.positions)))
    expect(merged.colors).toEqual(Uint8Array.from(of(cloud.colors).map(Math.round)))
    const normals = of(cloud.normals)
    const expected = normals.map((value, i) => value / Math.hypot(...normals.slice(i - (i % 3), i - (i % 3) + 3)))
    expect(Math.max(...merged.normals.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-6)
  })

  it('have no points where voxels cannot be counted', () => {
    const far = cloudOf([
      [0.5, 0.5, 0.5],
      [2e9, 0, 0],
      [0, Number.NaN, 0],
      [0, 0, Number.NEGATIVE_INFINITY],
      [1e9, -1e9, 1e9],
    ])
    expect(mergeClouds([far], 1).positions).toEqual(Float32Array.of(0.5, 0.5, 0.5, 1e9, -1e9, 1e9))
  })
})

describe('clouds over time', () => {
  it('share what stands still, once, and keep what moves per frame', () => {
    const wall = Array.from({ length: 50 }, (_, i) => [i % 10, Math.floor(i / 10), 0.49])
    const jitter = (frame: number) => wall.map(([x, y, z]) => [x!, y! + 0.02 * frame, z! + 0.01 * (frame % 2)])
    const clouds = [0, 1, 2, 3, 4].map((frame) => cloudOf([...jitter(frame), [3 * frame, 2, 5]]))
    const { still, moving } = splitOverTime(clouds, { voxel: 0.5 })
    expect(moving.map(({ positions }) => [...positions])).toEqual([0, 1, 2, 3, 4].map((frame) => [3 * frame, 2, 5]))
    expect(still.count).toBeLessThan(110)
    const near = wall.filter(([x, y, z]) =>
      Array.from({ length: still.count }, (_, i) => still.positions.subarray(3 * i, 3 * i + 3)).some(
        (p) => Math.hypot(p[0]! - x!, p[1]! - y!, p[2]! - z!) < 0.15,
      ),
    )
    expect(near.length).toBe(50)
    // The same places in another colour are another thing.
    const painted = [cloudOf(wall, 30), cloudOf(wall, 130), cloudOf(wall, 230)]
    expect(splitOverTime(painted, { voxel: 0.5 }).still.count).toBe(0)
    expect(splitOverTime([], { voxel: 1 })).toEqual({ still: cloudOf([]), moving: [] })
    expect(() => splitOverTime(clouds, { voxel: 0.5, share: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: splitOverTime: share must be in (0, 1], got 0]`,
    )
    expect(() => splitOverTime(clouds, { voxel: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: VoxelGrid: edge must be a positive finite number, got -1]`,
    )
  })

  it('merge to the means of voxels', () => {
    const merged = mergeClouds(
      [
        cloudOf([[0.25, 0.5, 0.5]], 10),
        cloudOf(
          [
            [0.75, 0.5, 0.5],
            [3, 0, 0],
          ],
          20,
        ),
      ],
      1,
    )
    expect([...merged.positions]).toEqual([0.5, 0.5, 0.5, 3, 0, 0])
    expect([...merged.colors]).toEqual([15, 15, 15, 20, 20, 20])
  })
})

describe('distant points', () => {
  it('lie on a sphere, where a picture shows something that the cloud does not have', () => {
    const captures = shots(5, 48, 36)
    const all = distantPoints(captures, { count: 0, positions: new Float32Array() }, { count: 200, radius: 50 })
    expect(all.count).toBe(200)
    expect(distantPoints(captures, { count: 0, positions: new Float32Array() }, { count: 200, radius: 50 })).toEqual(
      all,
    )
    const { view, image } = captures[2]!
    const seen = [...Array(all.count).keys()].flatMap((i) => {
      const [x, y, z] = toCamera(view, [all.positions[3 * i]!, all.positions[3 * i + 1]!, all.positions[3 * i + 2]!])
      const [u, v] = [Math.floor((view.fx * x) / z + view.cx), Math.floor((view.fy * y) / z + view.cy)]
      return z > 0 && u >= 0 && v >= 0 && u < 48 && v < 36 ? [{ i, pixel: v * 48 + u }] : []
    })
    expect(seen.length).toBeGreaterThan(5)
    // A cloud that covers the pictures leaves nothing to do.
    const covering = Array.from({ length: 40 * 40 * 40 }, (_, i) =>
      [i % 40, Math.floor(i / 40) % 40, Math.floor(i / 1600)].map((k) => (k - 20) / 5),
    )
    expect(distantPoints(captures, cloudOf(covering), { count: 200, radius: 50 }).count).toBe(0)
    expect(image.data.length).toBe(48 * 36 * 3)
    expect(() => distantPoints(captures, cloudOf([]), { radius: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: distantPoints: radius must be beyond the cameras (1.966838680373998), got 1]`,
    )
  })
})

describe('sparse points', () => {
  const views = ring(4, 64, 48)
  const see = (view: number, point: readonly [number, number, number]): Observation => {
    const [x, y, z] = toCamera(views[view]!, point)
    const { fx, fy, cx, cy } = views[view]!
    return { view, x: (fx * x) / z + cx, y: (fy * y) / z + cy }
  }

  it('are triangulated exactly, and refused where they are wrong', () => {
    const point = [0.3, -0.2, 0.7] as const
    const track = [0, 1, 2, 3].map((view) => see(view, point))
    const found = triangulate(views, track)
    expect(found?.position.map((value, i) => Math.abs(value - point[i]!) < 1e-9)).toEqual([true, true, true])
    expect(found?.error).toBeLessThan(1e-9)
    expect(found?.angle).toBeGreaterThan(40)
    const off = track.map((one, i) => (i === 2 ? { ...one, x: one.x + 9 } : one))
    expect(triangulate(views, off)).toBeNull()
    expect(triangulate(views, off, { maxError: 20 })?.error).toBeGreaterThan(1)
    expect(triangulate(views, track.slice(0, 1))).toBeNull()
    expect(triangulate(views, [track[0]!, track[0]!])).toBeNull()
    expect(triangulate(views, track, { minAngle: 80 })).toBeNull()
    expect(() => triangulate(views, [{ view: 9, x: 0, y: 0 }, track[0]!])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: triangulate: view must be an index below 4, got 9]`,
    )
  })

  it('of tracks have the colours of the pictures', () => {
    const captures = views.map((view) => ({ view, image: flat(64, 48, () => 77) }))
    const points = [
      [0.3, -0.2, 0.7],
      [-0.4, 0.1, 0.2],
    ] as const
    const tracks = points.map((point) => [0, 1, 2].map((view) => see(view, point)))
    const cloud = cloudOfTracks(captures, [...tracks, tracks[0]!.slice(0, 2)])
    expect(cloud.count).toBe(2)
    points.flat().forEach((value, i) => {
      expect(cloud.positions[i]).toBeCloseTo(value, 5)
    })
    expect([...new Set(cloud.colors)]).toEqual([77])
    expect(() => cloudOfTracks(captures, tracks, { minViews: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: cloudOfTracks: minViews must be an integer from 2 on, got 1]`,
    )
  })

  it('of pairs are joined, a second place in a view left out', () => {
    const at = (view: number, x: number): Observation => ({ view, x, y: 1 })
    const tracks = joinPairs([
      [at(0, 1), at(1, 1)],
      [at(1, 1), at(2, 1)],
      [at(0, 5), at(2, 5)],
      [at(2, 1), at(0, 5)],
    ])
    expect(tracks).toEqual([
      [at(0, 1), at(1, 1), at(2, 1)],
      [at(0, 5), at(2, 5)],
    ])
  })

  it('are corners of a soft chequerboard, to a third of a pixel', () => {
    const edge = (x: number) => Math.tanh(x / 1.5)
    const data = Uint8Array.from({ length: 1200 }, (_, i) => {
      const [x, y] = [(i % 40) + 0.5, Math.floor(i / 40) + 0.5]
      return 128 + 90 * edge(x - 20.3) * edge(y - 14.8)
    })
    const [corner, ...others] = findCorners({ width: 40, height: 30, data }, 10)
    expect(others).toEqual([])
    expect(Math.hypot(corner!.x - 20.3, corner!.y - 14.8)).toBeLessThan(0.33)
  })

  it('of corners matched along epipolar lines lie on the surface', async () => {
    const cloud = await sparseCloud(shots(5, 96, 72), { corners: 300 })
    expect(cloud.count).toBeGreaterThan(20)
    const errors = Array.from({ length: cloud.count }, (_, i) =>
      distanceToScene(cloud.positions[3 * i]!, cloud.positions[3 * i + 1]!, cloud.positions[3 * i + 2]!),
    ).sort((a, b) => a - b)
    expect(errors[errors.length >> 1]).toBeLessThan(0.01 * sceneRadius)
    expect(errors.filter((error) => error > 0.05 * sceneRadius).length).toBeLessThan(0.1 * errors.length)
  })
})
