import { type CloudOptions, estimateCloud, type StereoCloud, type StereoProgress } from '@clipgstream/stereo'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { shots } from './inputs.js'
import { distanceToScene, ring, sceneRadius, shoot } from './scene.js'

let device: WasmDevice

beforeEach(async () => {
  device = await createWasmDevice({ threads: 2, poison: true })
})

afterEach(() => {
  expect(device.bytesInUse).toBe(0)
  device.dispose()
})

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

function errorsOf({ count, positions }: StereoCloud): number[] {
  return Array.from({ length: count }, (_, i) =>
    distanceToScene(positions[3 * i]!, positions[3 * i + 1]!, positions[3 * i + 2]!),
  )
}

describe('a scene that is known exactly', () => {
  it('is found by seven cameras, 18 degrees apart', async () => {
    const captures = shots(7, 96, 72)
    const stages: StereoProgress[] = []
    const options = { coarsest: 48, consistency: { agree: 2 } }
    const cloud = await estimateCloud(device, captures, options, (progress) => stages.push(progress))
    expect(cloud.count).toBeGreaterThan(2000)
    const errors = errorsOf(cloud)
    expect(median(errors)).toBeLessThan(0.004 * sceneRadius)
    // What the cameras do not agree on is left out: behind the spheres there is no trail of wrong points.
    expect(errors.filter((error) => error > 0.03 * sceneRadius).length).toBeLessThan(0.03 * cloud.count)
    // The floor's normal is up, and colours are those of the pictures.
    const floor = [...errors.keys()].filter((i) => Math.abs(cloud.positions[3 * i + 2]!) < 0.01)
    expect(floor.length).toBeGreaterThan(200)
    expect(median(floor.map((i) => cloud.normals[3 * i + 2]!))).toBeGreaterThan(0.9)
    const wrong = floor.filter((i) => Math.abs(cloud.colors[3 * i + 1]! - 0.6 * cloud.colors[3 * i]! - 40) > 3)
    expect(wrong.length).toBeLessThan(0.01 * floor.length)
    expect(stages.map(({ stage }) => stage)).toEqual(['prepare', ...Array(7).fill('match'), ...Array(8).fill('fuse')])
    expect(stages.at(-1)).toEqual({ stage: 'fuse', done: 7, total: 7 })
  })

  it('gives equal bytes for one thread and three, and other ones for another seed', async () => {
    const captures = shots(4, 48, 36)
    const cloud = await estimateCloud(device, captures)
    expect(cloud.count).toBeGreaterThan(100)
    for (const threads of [1, 3]) {
      using other = await createWasmDevice({ threads })
      expect(await estimateCloud(other, captures)).toEqual(cloud)
    }
    expect((await estimateCloud(device, captures, { seed: 2 })).positions).not.toEqual(cloud.positions)
  })

  it('grows voxels until the points are few enough, and takes pictures at half their size', async () => {
    const captures = shots(4, 48, 36)
    const few = await estimateCloud(device, captures, { maxPoints: 150, minNeighbours: 0 })
    expect(few.count).toBeLessThanOrEqual(150)
    expect(few.count).toBeGreaterThan(50)
    const half = await estimateCloud(device, captures, { skipLevels: 1, minNeighbours: 0 })
    expect(half.count).toBeGreaterThan(20)
    expect(median(errorsOf(half))).toBeLessThan(0.02 * sceneRadius)
  })

  it('leaves out points without enough others around', async () => {
    const captures = shots(4, 48, 36)
    const voxel = 0.07
    const all = await estimateCloud(device, captures, { voxel, minNeighbours: 0 })
    const cells = Array.from({ length: all.count }, (_, i) =>
      [...all.positions.subarray(3 * i, 3 * i + 3)].map((value) => Math.floor(value / voxel)),
    )
    const neighbours = cells.map(
      (cell) => cells.filter((other) => other.every((value, axis) => Math.abs(value - cell[axis]!) <= 1)).length - 1,
    )
    for (const minNeighbours of [1, 2, 5, 9]) {
      const kept = [...neighbours.keys()].filter((i) => neighbours[i]! >= minNeighbours)
      expect(kept.length).toBeLessThan(all.count)
      const { positions } = await estimateCloud(device, captures, { voxel, minNeighbours })
      expect([...positions]).toEqual(kept.flatMap((i) => [...all.positions.subarray(3 * i, 3 * i + 3)]))
    }
  })

  it('gives points only where the masks are set', async () => {
    const captures = shots(4, 48, 36).map((shot) => ({
      ...shot,
      // Above the floor: what a sphere or the wall covers.
      mask: Uint8Array.from(shot.depths, (_, i) => (Math.floor(i / 48) < 14 ? 1 : 0)),
    }))
    const cloud = await estimateCloud(device, captures, { minNeighbours: 0 })
    expect(cloud.count).toBeGreaterThan(10)
    for (let i = 0; i < cloud.count; i++) {
      const rows = captures.map(({ view }) => {
        const m = view.worldToCamera
        const row = (r: number) =>
          m[r]! * cloud.positions[3 * i]! +
          m[r + 1]! * cloud.positions[3 * i + 1]! +
          m[r + 2]! * cloud.positions[3 * i + 2]! +
          m[r + 3]!
        return (view.fy * row(4)) / row(8) + view.cy
      })
      expect(Math.min(...rows)).toBeLessThan(15)
    }
  })

  it('without anything to match gives no points', async () => {
    const captures = ring(4, 48, 36).map((view) => shoot(view, 0))
    expect(await estimateCloud(device, captures)).toEqual({
      count: 0,
      positions: new Float32Array(),
      colors: new Uint8Array(),
      normals: new Float32Array(),
    })
  })
})

describe('bad input', () => {
  it('is named, with its value and its limit', async () => {
    const captures = shots(4, 20, 16)
    const estimate = (options: CloudOptions) => estimateCloud(device, captures, options)
    await expect(estimateCloud(device, captures.slice(0, 1))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: estimateCloud: captures must be 2 or more (agree is 1), got 1 of them]`,
    )
    await expect(estimate({ sources: 0 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: estimateCloud: sources must be an integer from 1 to 32, got 0]`,
    )
    await expect(estimate({ best: 5 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: estimateCloud: best must be an integer from 1 to 4, got 5]`,
    )
    await expect(estimate({ near: 2, far: 1 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: estimateCloud: near must be below far (1), got 2]`,
    )
    await expect(estimate({ voxel: 0 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: estimateCloud: voxel must be a positive finite number, got 0]`,
    )
    await expect(estimate({ points: Float32Array.of(1, 2) })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: estimateCloud: points must be finite numbers, three a point, got 2 numbers]`,
    )
    await expect(estimate({ skipLevels: 3 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: estimateCloud: skipLevels must be at most 1 for images of this size, got 3]`,
    )
    const [first, ...rest] = captures
    const short = { ...first!, image: { ...first!.image, data: new Uint8Array(5) } }
    await expect(estimateCloud(device, [short, ...rest])).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: estimateCloud: the image of view 0 must be [16, 20, 3], got 5 bytes]`,
    )
    const wide = { ...first!, image: { ...first!.image, width: 21 } }
    await expect(estimateCloud(device, [wide, ...rest])).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: estimateCloud: the image of view 0 must be as its camera: 20 x 16, got 21 x 16]`,
    )
    const masked = { ...first!, mask: new Uint8Array(3) }
    await expect(estimateCloud(device, [masked, ...rest])).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: estimateCloud: the mask of view 0 must be [16, 20], got 3 bytes]`,
    )
    const together = captures.map((shot) => ({ ...shot, view: first!.view }))
    await expect(estimateCloud(device, together)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: focusDistance: views must be at least two cameras in different places, got cameras in one place]`,
    )
  })

  it('ends soon when it is told to, with its reason, and leaves no memory', async () => {
    const captures = shots(4, 48, 36)
    const controller = new AbortController()
    const reason = new Error('enough')
    const running = estimateCloud(device, captures, { signal: controller.signal }, ({ stage, done }) => {
      if (stage === 'match' && done === 1) controller.abort(reason)
    })
    await expect(running).rejects.toBe(reason)
    expect(device.bytesInUse).toBe(0)
  })
})
