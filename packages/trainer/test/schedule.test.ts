import { clipsOf, createSampler, preset, seedFor, stepsOf, type TrainingSample, timeOf } from '@clipgstream/trainer'
import { describe, expect, it } from 'vitest'

describe('clips', () => {
  it('cover all frames, the last one partly', () => {
    expect(clipsOf(23, 10)).toEqual([
      { index: 0, start: 0, end: 10 },
      { index: 1, start: 10, end: 20 },
      { index: 2, start: 20, end: 23 },
    ])
    expect(clipsOf(3, 1)).toHaveLength(3)
    expect(clipsOf(3, 10)).toEqual([{ index: 0, start: 0, end: 3 }])
    expect(() => clipsOf(0, 10)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: clipsOf: frames must be a positive integer, got 0]`,
    )
  })

  it('give a partial clip the times of a full one, or the original ones', () => {
    const clip = { index: 2, start: 20, end: 23 }
    const { clips } = preset('default')
    expect([20, 21, 22].map((f) => timeOf(f, clip, clips, 'training'))).toEqual([0, 0.1, 0.2])
    const quantized = { ...clips, time: 'quantized' as const }
    expect([20, 21, 22].map((f) => timeOf(f, clip, quantized, 'training'))).toEqual([0, 1 / 3, 2 / 3])
    expect([20, 21, 22].map((f) => timeOf(f, clip, quantized, 'rendering'))).toEqual([0, 0.3, 0.7])
  })

  it('take one step more where the original does', () => {
    expect(stepsOf(preset('tiny').optimizer)).toBe(5001)
    expect(stepsOf(preset('default').optimizer)).toBe(5000)
  })
})

describe('sampler', () => {
  const options = { seed: 3, clip: 1, cameras: 3, frames: { start: 10, end: 14 }, viewsPerStep: 1, repeatLast: false }
  const key = ({ cameras, frame }: TrainingSample) => `${cameras.join('+')}:${frame}`

  it('shows every view once an epoch, in an order that differs', () => {
    const sampler = createSampler(options)
    const epoch = (e: number) => Array.from({ length: 12 }, (_, i) => key(sampler.at(12 * e + i)))
    expect(new Set(epoch(0)).size).toBe(12)
    expect(new Set(epoch(5)).size).toBe(12)
    expect(epoch(0)).not.toEqual(epoch(1))
    expect(epoch(1)).toEqual(epoch(1))
  })

  it('depends on seed and clip and on nothing before', () => {
    const fresh = createSampler(options)
    const used = createSampler(options)
    for (let i = 0; i < 40; i++) used.at(i)
    expect(used.at(17)).toEqual(fresh.at(17))
    const order = (o: typeof options) => Array.from({ length: 12 }, (_, i) => key(createSampler(o).at(i))).join()
    expect(new Set([order(options), order({ ...options, seed: 4 }), order({ ...options, clip: 2 })]).size).toBe(3)
  })

  it('repeats the last view of an epoch where the original does', () => {
    const sampler = createSampler({ ...options, repeatLast: true })
    expect(sampler.epochLength).toBe(13)
    expect(sampler.at(12)).toEqual(sampler.at(11))
    expect(new Set(Array.from({ length: 12 }, (_, i) => key(sampler.at(13 + i)))).size).toBe(12)
  })

  it('takes several cameras of one frame, all of them once and no one twice in a sample', () => {
    const five = { ...options, cameras: 5, viewsPerStep: 2 }
    const sampler = createSampler(five)
    expect(sampler.epochLength).toBe(12)
    const epoch = (e: number) => Array.from({ length: 12 }, (_, i) => sampler.at(12 * e + i))
    for (const samples of [epoch(0), epoch(3)]) {
      expect(samples.every(({ cameras }) => new Set(cameras).size === 2)).toBe(true)
      for (let frame = 10; frame < 14; frame++) {
        const seen = samples.filter((sample) => sample.frame === frame).flatMap(({ cameras }) => cameras)
        expect(seen).toHaveLength(6)
        expect(new Set(seen).size).toBe(5)
      }
    }
    expect(epoch(0).map(key)).not.toEqual(epoch(1).map(key))
    expect(createSampler(five).at(17)).toEqual(sampler.at(17))
    const all = createSampler({ ...five, viewsPerStep: 9 })
    expect(all.epochLength).toBe(4)
    expect([...all.at(0).cameras].sort()).toEqual([0, 1, 2, 3, 4])
  })

  it('seeds every purpose on its own', () => {
    expect(seedFor('field', 0)).not.toBe(seedFor('decoders', 0))
    expect(seedFor('field', 0)).not.toBe(seedFor('field', 1))
    expect(seedFor('field', 0)).toBe(seedFor('field', 0))
  })

  describe('where cameras have images of some frames only', () => {
    /** Frame 10 has camera 0, frame 11 none, frame 12 all, frame 13 cameras 1 and 2. */
    const own: Record<number, number[]> = { 10: [0], 11: [], 12: [0, 1, 2], 13: [1, 2] }
    const has = (camera: number, frame: number) => own[frame]?.includes(camera) ?? false
    const there = ['0:10', '0:12', '1:12', '1:13', '2:12', '2:13']

    it('shows every image once an epoch and nothing else', () => {
      const sampler = createSampler({ ...options, has })
      expect(sampler.epochLength).toBe(6)
      for (const e of [0, 4])
        expect(Array.from({ length: 6 }, (_, i) => key(sampler.at(6 * e + i))).sort()).toEqual(there)
      expect(createSampler({ ...options, has, repeatLast: true }).epochLength).toBe(7)
    })

    it('fills a step up from the cameras of its frame', () => {
      const sampler = createSampler({ ...options, has, viewsPerStep: 2 })
      const epoch = Array.from({ length: sampler.epochLength }, (_, i) => sampler.at(i))
      expect(epoch).toHaveLength(4)
      expect(epoch.every(({ cameras, frame }) => cameras.length === 2 && cameras.every((c) => has(c, frame)))).toBe(
        true,
      )
      expect(epoch.filter(({ frame }) => frame === 10)).toEqual([{ frame: 10, cameras: [0, 0] }])
      expect(new Set(epoch.flatMap(({ cameras, frame }) => cameras.map((c) => `${c}:${frame}`)))).toEqual(
        new Set(there),
      )
      expect(createSampler({ ...options, has: (_, f) => f === 10, viewsPerStep: 9 }).at(0).cameras).toHaveLength(3)
    })

    it('has no samples where there is no image, and all where all are there', () => {
      expect(createSampler({ ...options, has: () => false, repeatLast: true }).epochLength).toBe(0)
      const [all, plain] = [createSampler({ ...options, has: () => true }), createSampler(options)]
      for (let i = 0; i < 24; i++) expect(all.at(i)).toEqual(plain.at(i))
    })
  })
})
