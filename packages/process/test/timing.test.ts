import { type CameraFrames, findLag, findMisfits, offsetsOf, planFrames } from '@clipgstream/process'
import { describe, expect, it } from 'vitest'

const camera = (name: string, frames: number, fps: number | null = 30): CameraFrames => ({
  name,
  fps,
  present: new Array<boolean>(frames).fill(true),
})
const plain = (plan: ReturnType<typeof planFrames>) => Object.fromEntries(plan.frames)

describe('planFrames', () => {
  it('takes every frame, or some of them', () => {
    expect(plain(planFrames([camera('a', 4), camera('b', 4)], {}))).toEqual({ a: [0, 1, 2, 3], b: [0, 1, 2, 3] })
    const thinned = planFrames([camera('a', 10)], { frames: [2, 9], every: 3 })
    expect(plain(thinned)).toEqual({ a: [2, 5, 8] })
    expect(thinned.fps).toBe(10)
  })

  it('resamples to a lower rate, whatever the ratio', () => {
    const { frames, fps, count } = planFrames([camera('a', 60, 29.97)], { fps: 12 })
    const own = frames.get('a') ?? []
    expect(fps).toBe(12)
    expect(count).toBe(24)
    own.forEach((frame, k) => {
      expect(Math.abs((frame ?? -9) / 29.97 - k / 12)).toBeLessThanOrEqual(0.5 / 29.97 + 1e-9)
    })
  })

  it('begins where the last camera does', () => {
    const plan = planFrames([camera('a', 10), camera('b', 8), camera('c', 10)], { offsets: { a: 2, c: -1 } })
    expect(plain(plan)).toEqual({ a: [3, 4, 5, 6, 7, 8, 9], b: [1, 2, 3, 4, 5, 6, 7], c: [0, 1, 2, 3, 4, 5, 6] })
  })

  it('refuses different lengths unless it is told what to do', () => {
    const cameras = [camera('a', 5), camera('b', 4), camera('c', 5)]
    expect(() => planFrames(cameras, {})).toThrowErrorMatchingInlineSnapshot(
      `[ProcessError: cameras have different numbers of frames: 5 (a, c), 4 (b). Take those that all have (--lengths shortest), those that any has (--lengths gaps), or a range (--frames); give --offsets where cameras started at different times]`,
    )
    expect(planFrames(cameras, { lengths: 'shortest' }).count).toBe(4)
    expect(plain(planFrames(cameras, { lengths: 'gaps' }))).toEqual({
      a: [0, 1, 2, 3, 4],
      b: [0, 1, 2, 3, null],
      c: [0, 1, 2, 3, 4],
    })
    expect(planFrames(cameras, { frames: [0, 3] }).count).toBe(3)
  })

  it('says what cannot be', () => {
    expect(() => planFrames([], {})).toThrow(/no cameras/)
    expect(() => planFrames([camera('a', 5), camera('b', 5, 25)], {})).toThrowErrorMatchingInlineSnapshot(
      `[ProcessError: cameras have different frames a second: a 30.000, b 25.000; bring them to one rate first]`,
    )
    const one = [camera('a', 5)]
    expect(() => planFrames(one, { frames: [0, 6] })).toThrow(/frames must be within 0-4/)
    expect(() => planFrames(one, { offsets: { z: 1 } })).toThrow(/offsets must be of cameras: a, got z/)
    expect(() => planFrames(one, { offsets: { a: 0.5 } })).toThrow(/whole number of frames/)
    expect(() => planFrames(one, { every: 0 })).toThrow(/every/)
    expect(() => planFrames(one, { fps: 31 })).toThrow(/at most the 30/)
    expect(() => planFrames([camera('a', 5, null)], { fps: 5 })).toThrow(/nothing says how many/)
    expect(() => planFrames([camera('a', 5), camera('b', 5)], { offsets: { b: 9 } })).toThrow(/no frame in common/)
    const gap = { ...camera('b', 5), present: [true, true, false, true, true] }
    expect(() => planFrames([camera('a', 5), gap], {})).toThrow(/frames of b are missing/)
  })
})

/** Reproducible noise. */
function noise(length: number, seed: number): number[] {
  let state = seed
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  })
}

describe('findLag', () => {
  it('is the correlation coefficient of what overlaps', () => {
    const a = noise(40, 1)
    const b = noise(50, 2)
    const found = findLag(a, b, 12)
    // As plain as the formula.
    const at = (lag: number) => {
      const pairs = a.flatMap((value, i) => {
        const other = b[i + lag]
        return other === undefined ? [] : [[value, other] as const]
      })
      const mean = (k: 0 | 1) => pairs.reduce((sum, pair) => sum + pair[k], 0) / pairs.length
      const [ma, mb] = [mean(0), mean(1)]
      const sum = (f: (x: number, y: number) => number) => pairs.reduce((s, [x, y]) => s + f(x - ma, y - mb), 0)
      return sum((x, y) => x * y) / Math.sqrt(sum((x) => x * x) * sum((_, y) => y * y))
    }
    const lags = Array.from({ length: 25 }, (_, i) => i - 12)
    const best = lags.reduce((most, lag) => (at(lag) > at(most) ? lag : most))
    expect(Math.round(found?.lag ?? 99)).toBe(best)
    expect(found?.score).toBeCloseTo(at(best), 9)
  })

  it('finds shifts either way, and the place between samples', () => {
    const wave = (shift: number) => Array.from({ length: 200 }, (_, i) => Math.exp(-(((i - 90 - shift) / 6) ** 2)))
    for (const shift of [-17, 0, 23]) expect(findLag(wave(0), wave(shift), 40)?.lag).toBeCloseTo(shift, 3)
    expect(findLag(wave(0), wave(4.4), 40)?.lag).toBeCloseTo(4.4, 1)
  })

  it('has nothing to say of too little, or of silence', () => {
    expect(findLag([1, 2], [1, 2], 5)).toBeNull()
    expect(findLag(new Float32Array(50), noise(50, 1), 5)).toBeNull()
  })
})

describe('alignment', () => {
  it('names cameras whose sound does not fit', () => {
    const loud = noise(4000, 3).map((value) => (value > 0.98 ? 1 : 0))
    const signals = new Map([
      ['a', loud],
      ['b', loud.slice(400)],
      ['c', noise(4000, 9)],
    ])
    expect(() => offsetsOf(signals, 400, 30)).toThrow(/the sound of c \(.*\) does not fit that of a/)
    signals.delete('c')
    // b began a second later.
    expect(offsetsOf(signals, 400, 30).offsets).toEqual({ a: 0, b: -30 })
  })

  it('finds the camera that is off by a frame, and no other', () => {
    const motion = noise(80, 4).map((value, i, all) => value + (all[i - 1] ?? 0))
    const energies = (late: number) =>
      new Map(
        ['a', 'b', 'c', 'd'].map((name, i) => {
          const shift = name === 'c' ? late : 0
          const own = noise(70, 20 + i)
          return [name, own.map((value, t) => 3 * i + (1 + i) * ((motion[t + 5 - shift] ?? 0) + 0.3 * value))]
        }),
      )
    expect(findMisfits(energies(0))).toEqual([])
    expect(findMisfits(energies(1)).map(({ camera, frames }) => ({ camera, frames }))).toEqual([
      { camera: 'c', frames: 1 },
    ])
    expect(findMisfits(energies(-1)).map(({ camera, frames }) => ({ camera, frames }))).toEqual([
      { camera: 'c', frames: -1 },
    ])
    // Views of the very same correlate to 1.
    const same = noise(40, 5)
    const moved = Float64Array.from(same, (_, t) => same[t - 2] ?? 0)
    const equal = new Map<string, ArrayLike<number>>([
      ['a', same],
      ['b', same],
      ['c', moved],
      ['d', same],
    ])
    expect(findMisfits(equal).map(({ camera, frames }) => ({ camera, frames }))).toEqual([{ camera: 'c', frames: 2 }])
    // Smooth motion that views share half of has shifts that fit by chance: of 18 frames none is told.
    const wave = (seed: number) => {
      const phases = noise(4, seed)
      return Float64Array.from({ length: 18 }, (_, t) =>
        phases.reduce((sum, phase, k) => sum + Math.sin(0.35 * (k + 1) * t + 9 * phase) / (k + 1), 0),
      )
    }
    for (let rig = 0; rig < 50; rig++) {
      const common = wave(1000 + rig)
      const own = (i: number) => wave(7 * rig + i).map((value, t) => value + common[t]!)
      expect(findMisfits(new Map(['a', 'b', 'c', 'd', 'e', 'f'].map((name, i) => [name, own(i)])))).toEqual([])
    }
    // Without motion, nothing is said.
    expect(findMisfits(new Map(['a', 'b', 'c'].map((name) => [name, new Float32Array(30)])))).toEqual([])
  })
})
