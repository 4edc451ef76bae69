import { type ColoredCloud, chooseScale, mergeOver } from '@clipgstream/process'
import { describe, expect, it } from 'vitest'

function cloudOf(points: readonly (readonly number[])[], colour: number): ColoredCloud {
  return { positions: Float32Array.from(points.flat()), colors: new Uint8Array(3 * points.length).fill(colour) }
}

/** A wall of points 0.1 apart, 10 by 10. */
const wall = Array.from({ length: 100 }, (_, i) => [0.05 + (i % 10) / 10, 0.05 + Math.floor(i / 10) / 10, 0.01])

describe('what moves over what stands still', () => {
  it('has finer voxels, and nothing where something stands still', () => {
    const still = cloudOf(wall, 10)
    // One is on the wall again; two, in different frames, share half a voxel; one is beside them.
    const frames = [
      cloudOf(
        [
          [0.06, 0.06, 0.02],
          [0.52, 0.52, 1.02],
        ],
        200,
      ),
      cloudOf(
        [
          [0.53, 0.53, 1.03],
          [0.58, 0.52, 1.02],
        ],
        100,
      ),
    ]
    const { positions, colors } = mergeOver(still, frames, 0.1)
    expect(positions.length / 3).toBe(102)
    const added = [...positions.subarray(300)].map((value) => Number(value.toFixed(3)))
    expect(added).toEqual([0.52, 0.52, 1.02, 0.58, 0.52, 1.02])
    expect([...colors.subarray(300)]).toEqual([200, 200, 200, 100, 100, 100])
  })

  it('is counted when voxels are chosen, and voxels are not finer than pixels tell', () => {
    const still = cloudOf(wall, 10)
    const frames = [cloudOf([[0.5, 0.5, 1]], 200)]
    // The extent is about 1: a 500th of it is finer than anything here.
    expect(chooseScale(frames, {}, 0, still).voxel).toBeLessThan(0.003)
    // New is what lies apart by 5/12 of the voxel of what moves, or of the only one.
    expect(chooseScale(frames, {}, 0.02, still)).toEqual({ voxel: 0.02, threshold: 0.01 / 2.4 })
    expect(chooseScale([still], {}, 0.02)).toEqual({ voxel: 0.02, threshold: 0.02 / 2.4 })
    // A voxel that is asked for is taken.
    expect(chooseScale(frames, { voxel: 0.01 }, 0.02, still).voxel).toBe(0.01)
    const few = chooseScale(frames, { maxPoints: 40 }, 0.02, still)
    expect(mergeOver(still, frames, few.voxel).positions.length / 3).toBeLessThanOrEqual(40)
    expect(few.voxel).toBeLessThan(0.3)
  })
})
