// Parity with the original: the grid of a checkpoint that it trained, and encodings that it computed with it.
//
// The original works in fp16: weights are rounded to it, and so is every one of the 16 sums. A double precision program with
// these roundings repeats it in every bit, which proves places and weights; the f32 kernel differs by the roundings.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { createHashGrid, gridLayout, originalGrid } from '@clipgstream/hashgrid'
import { fromF16 } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { beforeAll, describe, expect, it } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { readNpy } from './npy.js'
import { oracleLevels, oracleTouches } from './oracle.js'

const folder = fixture('fixtures/reference-checkpoint')
const config = originalGrid(17)
const perceptronWeights = 16384
const views = [
  ...['cam10_f02', 'cam10_f07', 'cam15_f02', 'cam15_f07'].map((view) => ({ clip: 0, view })),
  ...['cam10_f12', 'cam10_f17', 'cam15_f12', 'cam15_f17'].map((view) => ({ clip: 1, view })),
]

/** The distance between neighbouring fp16 numbers around `value`. */
function halfStep(value: number): number {
  return 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(value)))) - 10)
}

function roundToHalf(value: number): number {
  const step = halfStep(value)
  const whole = Math.floor(value / step)
  const rest = value / step - whole
  return (whole + (rest > 0.5 || (rest === 0.5 && whole % 2 !== 0) ? 1 : 0)) * step
}

/** Parameters of clip 0: all low bytes, then all high bytes. */
function tableOfClip0(): Float32Array<ArrayBuffer> {
  const planes = gunzipSync(readFileSync(`${folder}/packed/FDHash_0.params.f16.planes.gz`))
  const count = planes.length / 2
  const half = Float32Array.from({ length: 65536 }, (_, bits) => fromF16(bits))
  const table = new Float32Array(count - perceptronWeights)
  for (let i = 0, from = perceptronWeights; i < table.length; i++, from++) {
    table[i] = half[planes[from]! | (planes[count + from]! << 8)]!
  }
  return table
}

/** Those entries of clip 1 that its test points touch; NaN elsewhere, so that a wrong place would show. */
function tableOfClip1(): Float32Array<ArrayBuffer> {
  const table = new Float32Array(gridLayout(config).entries * config.features).fill(Number.NaN)
  const { values } = readNpy(`${folder}/stf/clip1.grid_entry_value.f16.npy`)
  for (const [i, entry] of readNpy(`${folder}/stf/clip1.grid_entry_index.npy`).values.entries()) {
    table.set(values.subarray(4 * i, 4 * i + 4), 4 * entry)
  }
  return table
}

describe.skipIf(!folder)('encodings of the original', () => {
  const tables: Float32Array<ArrayBuffer>[] = []
  beforeAll(() => void tables.push(tableOfClip0(), tableOfClip1()))

  it.each(views)('of clip $clip, $view, repeat in every bit with its roundings', ({ clip, view }) => {
    const points = Float32Array.from(readNpy(`${folder}/parity/clip${clip}_${view}/stf_input.npy`).values)
    const expected = readNpy(`${folder}/parity/clip${clip}_${view}/stf_encoding.npy`).values
    let different = 0
    for (const [l, level] of oracleLevels(config).entries()) {
      for (let n = 0; n < points.length / 4; n++) {
        const sums = [0, 0, 0, 0]
        for (const { entry, weight } of oracleTouches(config, level, points.subarray(4 * n), Math.fround)) {
          const rounded = roundToHalf(weight)
          for (let f = 0; f < 4; f++) sums[f] = roundToHalf(rounded * tables[clip]![4 * entry + f]! + sums[f]!)
        }
        for (let f = 0; f < 4; f++) if (sums[f] !== expected[n * 64 + 4 * l + f]) different++
      }
    }
    expect(different).toBe(0)
  })

  it('agree with the f32 kernel to the roundings of fp16', async () => {
    using device = await createWasmDevice({ threads: 1, poison: true })
    const grid = await createHashGrid(device, config)
    const steps: number[] = []
    let largest = 0
    for (const [clip, values] of tables.entries()) {
      using table = device.from(values, [grid.entries, 4])
      using magnitudes = device.from(values.map(Math.abs), [grid.entries, 4])
      for (const { view } of views.filter((one) => one.clip === clip)) {
        const points = Float32Array.from(readNpy(`${folder}/parity/clip${clip}_${view}/stf_input.npy`).values)
        const expected = readNpy(`${folder}/parity/clip${clip}_${view}/stf_encoding.npy`).values
        using input = device.from(points, [points.length / 4, 4])
        using output = grid.forward({ points: input }, table)
        using size = grid.forward({ points: input }, magnitudes)
        const actual = await output.read()
        for (const [i, magnitude] of (await size.read()).entries()) {
          const difference = Math.abs(actual[i]! - expected[i]!)
          // A sum passes through values as large as the sum of magnitudes: fp16 steps are to be taken there.
          steps.push(difference / halfStep(magnitude))
          largest = Math.max(largest, difference)
        }
      }
    }
    // Each of 16 sums and weights is rounded to half a step at most. Seen: 3.96 at most, 0.38 on average, 93 % within one.
    expect(steps.length).toBe(8 * 256 * 64)
    expect(steps.reduce((most, value) => Math.max(most, value))).toBeLessThan(5)
    expect(steps.reduce((sum, value) => sum + value) / steps.length).toBeLessThan(0.5)
    expect(steps.filter((value) => value <= 1).length / steps.length).toBeGreaterThan(0.9)
    expect(largest).toBeLessThan(2e-4)
  })
})
