import {
  clipsOf,
  createEvaluation,
  type Evaluation,
  formatColors,
  formatTable,
  type Image,
  type Lpips,
  psnr,
  summaryJson,
  viewCsv,
} from '@clipgstream/eval'
import { createRandom } from '@clipgstream/tensor'
import { describe, expect, test } from 'vitest'
import { disturbed, picture } from './images.js'

const truth = (frame: number): Image => {
  const image = picture(12, 9, 1, 0)
  return { ...image, data: image.data.map((value, i) => (i < 30 ? value : value + 3 * (frame % 2))) }
}
const shifted = (image: Image, by: number): Image => ({ ...image, data: image.data.map((value) => value + by) })

/** A stand-in with known values. */
const fake = (name: string, value: number): Lpips => ({ name, measure: async () => value, [Symbol.dispose]() {} })

async function fill(evaluation: Evaluation, views: string[], frames: number, masked = false): Promise<void> {
  const random = createRandom(3)
  const mask = Uint8Array.from({ length: 108 }, (_, i) => (i < 10 ? 255 : i < 20 ? 128 : 0))
  for (const view of views) {
    for (let frame = 5; frame < 5 + frames; frame++) {
      await evaluation.add(view, frame, disturbed(truth(frame), random, 9), truth(frame), masked ? mask : null)
    }
  }
}

test('means over frames, then over views; flicker by kind of pair', async () => {
  const evaluation = createEvaluation({ clips: clipsOf(5, 5, 2), nets: [fake('lpips-alex', 0.25)] })
  await fill(evaluation, ['0', '10'], 5, true)
  const rows = evaluation.rows()
  expect(rows).toHaveLength(10)
  expect(rows.map(({ clip }) => clip)).toEqual([0, 0, 1, 1, 2, 0, 0, 1, 1, 2])
  const kinds = rows.map(({ values }) => ('flicker' in values ? 'w' : 'flicker_border' in values ? 'b' : '-'))
  expect(kinds.join('')).toBe('-wbwb-wbwb')
  const { views, average, clips, columns, notes } = evaluation.summary()
  expect(columns.map(({ key }) => key)).toMatchInlineSnapshot(`
    [
      "psnr",
      "psnr_fitted",
      "dssim1",
      "dssim2",
      "lpips-alex",
      "psnr_moving",
      "psnr_outside",
      "flicker",
      "flicker_border",
    ]
  `)
  const of = (view: string, key: string) =>
    rows.filter((row) => row.view === view && row.values[key] !== undefined).map(({ values }) => Number(values[key]))
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length
  for (const key of ['psnr', 'psnr_fitted', 'dssim1', 'psnr_moving', 'psnr_outside', 'flicker', 'flicker_border']) {
    const means = ['0', '10'].map((view) => mean(of(view, key)))
    expect(views.map(({ values }) => values[key])).toEqual(means)
    expect(average.values[key]).toBeCloseTo(mean(means), 12)
  }
  expect(average.flickerRatio).toBe(Number(average.values['flicker_border']) / Number(average.values['flicker']))
  expect(clips.map(({ clip, first, count, frames }) => [clip, first, count, frames])).toEqual([
    [0, 5, 2, 4],
    [1, 7, 2, 4],
    [2, 9, 1, 2],
  ])
  expect(average.values['lpips-alex']).toBe(0.25)
  expect(notes).toEqual(['dssim2: MS-SSIM needs 176 pixels a side, the images have 12 x 9'])
})

test('a render that jumps at clip borders has a ratio above 1', async () => {
  const evaluation = createEvaluation({ clips: clipsOf(0, 6, 3) })
  for (let frame = 0; frame < 6; frame++) {
    const jitter = frame % 2
    await evaluation.add('0', frame, shifted(truth(frame), (frame < 3 ? 0 : 10) + jitter), truth(frame))
  }
  const { average } = evaluation.summary()
  expect(average.values['flicker']).toBe(1)
  expect(average.values['flicker_border']).toBe(11)
  expect(average.flickerRatio).toBe(11)
})

test('gaps between frames make no pairs', async () => {
  const evaluation = createEvaluation()
  await evaluation.add('0', 0, truth(0), truth(0))
  await evaluation.add('0', 2, truth(2), truth(2))
  expect(evaluation.summary().average.values['flicker']).toEqual({ notAvailable: 'nothing to measure' })
})

test('equal images: infinity in the row, left out of means unless all are', async () => {
  const evaluation = createEvaluation()
  await evaluation.add('0', 0, truth(0), truth(0))
  expect(evaluation.summary().average).toMatchObject({ exact: 1, values: { psnr: Number.POSITIVE_INFINITY } })
  await evaluation.add('0', 1, shifted(truth(1), 1), truth(1))
  const { average } = evaluation.summary()
  expect(average).toMatchObject({ exact: 1, frames: 2 })
  expect(average.values['psnr']).toBe(psnr(shifted(truth(1), 1), truth(1)))
  expect(viewCsv(evaluation.rows(), evaluation.summary(), '0')).toMatchInlineSnapshot(`
    "frame,clip,psnr,psnr_fitted,dssim1,dssim2,flicker,flicker_border
    0,0,inf,inf,0,n/a,,
    1,0,48.1308,54.31156,0.00001362267,n/a,1,
    avg,,48.1308,54.31156,0.000006811335,n/a,1,n/a
    "
  `)
  expect(formatTable(evaluation.summary())).toMatchInlineSnapshot(`
    "         frames   psnr  psnr_fitted  dssim1  dssim2  flicker  flicker_border  border/within
    view 0        2  48.13        54.31  0.0000     n/a    1.000             n/a            n/a
    average       2  48.13        54.31  0.0000     n/a    1.000             n/a            n/a

      1 of 2 frames equal the truth; mean PSNR is without them
      dssim2: MS-SSIM needs 176 pixels a side, the images have 12 x 9"
  `)
})

test('missing weights and small images say so in the table, JSON has null', async () => {
  const evaluation = createEvaluation({
    clips: clipsOf(5, 4, 2),
    nets: [fake('lpips-alex', 0.5), { name: 'lpips-vgg', missing: 'no weights: put them there' }],
  })
  await fill(evaluation, ['0'], 4, true)
  const summary = evaluation.summary()
  expect(formatTable(summary)).toMatchInlineSnapshot(`
    "         frames   psnr  psnr_fitted  dssim1  dssim2  lpips-alex  lpips-vgg  psnr_moving  psnr_outside  flicker  flicker_border  border/within
    view 0        4  33.75        34.96  0.0035     n/a      0.5000        n/a        34.13         33.72    6.097           6.019           0.99
    average       4  33.75        34.96  0.0035     n/a      0.5000        n/a        34.13         33.72    6.097           6.019           0.99
    clip 0        2  33.78        35.07  0.0036     n/a      0.5000        n/a        34.21         33.75    5.977             n/a            n/a
    clip 1        2  33.72        34.84  0.0034     n/a      0.5000        n/a        34.05         33.69    6.216           6.019           0.97

      dssim2: MS-SSIM needs 176 pixels a side, the images have 12 x 9
      lpips-vgg: no weights: put them there"
  `)
  const json = JSON.parse(summaryJson(summary))
  expect(json).toMatchObject({ format: 'clipgstream-evaluation', version: 1 })
  expect(json.average.values).toMatchObject({ 'lpips-alex': 0.5, 'lpips-vgg': null, dssim2: null })
  expect(json.notes).toContain('lpips-vgg: no weights: put them there')
})

test('the figures of the original implementation leave out positions 330 to 359', async () => {
  const evaluation = createEvaluation()
  const tiny = (level: number): Image => ({ width: 1, height: 1, data: new Uint8Array(3).fill(level) })
  for (let i = 0; i < 362; i++) await evaluation.add('0', i, tiny(i >= 330 && i < 360 ? 50 : 10), tiny(0))
  const { average, withoutFrames330To359: subset } = evaluation.summary()
  expect(subset?.frames).toBe(332)
  expect(subset?.values['psnr']).toBeCloseTo(psnr(tiny(10), tiny(0)), 10)
  expect(Number(average.values['psnr'])).toBeLessThan(Number(subset?.values['psnr']))
})

describe('memory', () => {
  test('exhibits are the worst and the best frame of the first views, and copies', async () => {
    const evaluation = createEvaluation({ exhibits: 3 })
    const buffer = truth(0)
    for (const view of ['0', '1', '2', '3']) {
      for (const [frame, by] of [4, 1, 9, 2].entries()) {
        const render = shifted(buffer, by)
        await evaluation.add(view, frame, render, buffer)
        render.data.fill(0)
      }
    }
    const exhibits = evaluation.exhibits()
    expect(exhibits.map(({ view, frame }) => [view, frame])).toEqual([
      ['0', 2],
      ['0', 1],
      ['1', 2],
    ])
    expect(exhibits[0]?.render.data[0]).toBe(truth(0).data[0]! + 9)
    expect(createEvaluation({ exhibits: 0 }).exhibits()).toEqual([])
  })
})

test('floats count as the bytes of their PNG', async () => {
  const bytes = shifted(truth(0), 2)
  const values = Float32Array.from(bytes.data, (value) => value / 255 + 0.3 / 255)
  const evaluation = createEvaluation()
  const row = await evaluation.add('0', 0, { ...bytes, data: values }, truth(0))
  expect(row.values['psnr']).toBe(psnr(bytes, truth(0)))
})

test('wrong input is refused and the evaluation goes on', async () => {
  const evaluation = createEvaluation({ clips: clipsOf(0, 4, 2) })
  const image = truth(0)
  await evaluation.add('0', 1, image, image)
  const small = picture(3, 3, 1)
  const bad = { width: 1, height: 1, data: Float32Array.of(0, Number.NaN, 0) }
  const refused = [
    () => evaluation.add('0', 1, image, image),
    () => evaluation.add('0', 9, image, image),
    () => evaluation.add('0', 1.5, image, image),
    () => evaluation.add('0', 2, small, image),
    () => evaluation.add('0', 2, small, small),
    () => evaluation.add('1', 2, bad, bad),
    () => evaluation.add('0', 2, image, image, new Uint8Array(3)),
  ]
  const messages: string[] = []
  for (const add of refused) {
    await add().then(
      () => messages.push('accepted'),
      (error: Error) => messages.push(`${error.name}: ${error.message}`),
    )
  }
  expect(messages).toMatchInlineSnapshot(`
    [
      "ArgumentError: evaluation.add: frame of view 0 must be above 1, the one before, got 1",
      "ArgumentError: evaluation.add: frame must be in one of the clips, got 9",
      "ArgumentError: evaluation.add: frame must be an integer, got 1.5",
      "ShapeError: view 0, frame 2: second image must have shape [3, 3, 3], got [9, 12, 3]",
      "ShapeError: evaluation.add: render of view 0 must have shape [324], got [27]",
      "ArgumentError: evaluation.add: values of the render of view 1, frame 2 must be finite, got NaN or infinity among them",
      "ShapeError: view 0, frame 2: mask must have shape [9, 12], got [3]",
    ]
  `)
  await evaluation.add('0', 2, image, image)
  expect(evaluation.rows()).toHaveLength(2)
  expect(() => clipsOf(0, 4, 0)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: clipsOf: size must be a positive integer, got 0]`,
  )
  const clips = [
    { index: 0, first: 0, count: 5 },
    { index: 1, first: 4, count: 5 },
  ]
  expect(() => createEvaluation({ clips })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: createEvaluation: clips must be apart; both have frame 4, got 0 and 1]`,
  )
  expect(() => createEvaluation({ nets: [fake('a', 1), fake('a', 2)] })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: createEvaluation: nets must be different metrics, got a, a]`,
  )
  expect(() => createEvaluation({ staticThreshold: 0 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: createEvaluation: staticThreshold must be above 0, got 0]`,
  )
})

test('the exposure of a view is forgiven in psnr_fitted, clip by clip, and told in colors', async () => {
  const evaluation = createEvaluation({ clips: clipsOf(0, 4, 2) })
  const random = createRandom(8)
  const exposures = [
    [0.8, 10],
    [0.8, 10],
    [1.1, -12],
    [1.1, -12],
  ] as const
  for (const view of ['fair', 'off']) {
    for (const [frame, [gain, offset]] of exposures.entries()) {
      const render = disturbed(picture(48, 32, frame, 20), random, 2)
      const { width, height, data } = render
      const seen = (value: number) => Math.round(Math.min(255, Math.max(0, gain * value + offset)))
      await evaluation.add(view, frame, render, { width, height, data: view === 'off' ? data.map(seen) : data })
    }
  }
  const { views, colors, average } = evaluation.summary()
  const [fair, off] = views
  expect(fair?.values['psnr_fitted']).toBe(Number.POSITIVE_INFINITY)
  expect(Number(off?.values['psnr'])).toBeLessThan(29)
  expect(Number(off?.values['psnr_fitted'])).toBeGreaterThan(55)
  expect(average.values['psnr_fitted']).toBe(off?.values['psnr_fitted'])
  expect(colors.map(({ view, clip }) => [view, clip])).toEqual([
    ['fair', 0],
    ['fair', 1],
    ['off', 0],
    ['off', 1],
  ])
  for (const [i, [gain, offset]] of [[1, 0], [1, 0], exposures[0], exposures[2]].entries()) {
    for (let c = 0; c < 3; c++) {
      expect(colors[i]?.gain[c]).toBeCloseTo(gain!, 2)
      expect(colors[i]?.offset[c]).toBeCloseTo(offset! / 255, 2)
    }
  }
  expect(formatColors(evaluation.summary()).split('\n')[3]).toMatch(/^off +0 +0\.80\d +0\.80\d .* (9\.9|10\.\d)$/)
  expect(evaluation.rows().every(({ values }) => 'psnr_fitted' in values)).toBe(true)
})
