import { lookAt, rotationFromVector, type Vec3 } from '@clipgstream/camera'
import { describe, expect, it } from 'vitest'
import { calibrationError, type PlacedCamera, type SeenPoint } from './calibration-error.js'

const camera = { model: 'SIMPLE_PINHOLE', width: 320, height: 180, params: [250, 160, 90] } as const
const names = ['a', 'b', 'c', 'd', 'e', 'f']
const truth: PlacedCamera[] = names.map((name, i) => {
  const eye: Vec3 = [5 * Math.cos(i), 5 * Math.sin(i), 1 + 0.3 * (i % 2)]
  const { worldToCamera } = lookAt(eye, [0, 0, 0], [0, 0, 1], {
    width: 320,
    height: 180,
    fx: 250,
    fy: 250,
    cx: 160,
    cy: 90,
  })
  return { name, camera, worldToCamera }
})
const points: SeenPoint[] = Array.from({ length: 300 }, (_, i) => ({
  position: [Math.sin(3.1 * i), Math.sin(7.3 * i + 1), Math.sin(5.7 * i + 2)],
  cameras: names,
}))

/** The cameras in a world that was turned, moved and grown three times. */
function moved(cameras: readonly PlacedCamera[]): PlacedCamera[] {
  const turn = rotationFromVector([0.3, -1.1, 0.4])
  const shift = [4, -7, 2]
  return cameras.map(({ worldToCamera: m, ...rest }) => ({
    ...rest,
    worldToCamera: [0, 4, 8].flatMap((row) => {
      // R' = R T^-1, and what is left of the translation: 3 t - R' shift.
      const r = turn.map((axis) => axis[0] * m[row]! + axis[1] * m[row + 1]! + axis[2] * m[row + 2]!)
      return [...r, 3 * m[row + 3]! - r.reduce((sum, value, axis) => sum + value * shift[axis]!, 0)]
    }),
  }))
}

describe('the error of a calibration', () => {
  it('is none in another world and another size', () => {
    const larger = moved(truth).map((found) => ({
      ...found,
      camera: { model: 'SIMPLE_PINHOLE', width: 640, height: 360, params: [500, 320, 180] } as const,
    }))
    const { median, p95, cameras } = calibrationError(truth, points, larger)
    expect(median).toBeLessThan(1e-6)
    expect(p95).toBeLessThan(1e-6)
    for (const { focal, centre, turn } of cameras)
      for (const value of [focal, centre, turn]) expect(Math.abs(value)).toBeLessThan(1e-6)
  })

  it('says which camera is off, and by how much', () => {
    const found = moved(truth).map((one) =>
      one.name === 'c' ? { ...one, camera: { ...camera, params: [252.5, 160, 90] } } : one,
    )
    const { median, cameras } = calibrationError(truth, points, found)
    const third = cameras.find(({ name }) => name === 'c')
    expect(third?.focal).toBeCloseTo(0.01, 6)
    // A hundredth of the distance to the middle of the picture, 40 pixels or so.
    expect(third?.median).toBeGreaterThan(0.2)
    expect(third?.median).toBeLessThan(0.6)
    expect(median).toBeLessThan(0.1)
    expect(cameras.filter(({ name }) => name !== 'c').every((one) => one.median < 0.1)).toBe(true)
  })

  it('wants cameras that the truth has', () => {
    expect(() => calibrationError(truth, points, [{ ...truth[0]!, name: 'z' }])).toThrow(/no camera z; it has a,b/)
  })
})
