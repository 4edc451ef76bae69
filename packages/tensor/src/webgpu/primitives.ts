import { check } from '../check.js'
import type { DType } from '../dtype.js'
import { ArgumentError, DeviceUnavailableError } from '../errors.js'
import type { GpuPrimitives, SortedPairs, SortRange } from '../primitives.js'
import type { Device, Tensor } from '../tensor.js'
import { WebgpuDevice } from './device.js'
import { bestRanking, createSort, type Ranking } from './sort.js'

/** Elements of a tile. */
const tile = 4096
/** Enough workgroups to fill a GPU; more would make tables of them longer than it is worth. */
const usualRanges = 1024

export interface WebgpuSortRange extends Omit<SortRange, 'count'> {
  /** Only the first `count` elements are sorted (all); a tensor // [1] when only the device knows it. */
  count?: number | Tensor<'u32'>
}

/** By our own kernels: reduce, then scan, so that no workgroup waits for another. */
export type WebgpuPrimitives = GpuPrimitives<WebgpuSortRange>

export interface WebgpuPrimitivesOptions {
  /** How the radix sort ranks; what suits the adapter when left out. */
  ranking?: Ranking
  /** Workgroups that tiles are dealt to, at most 1024 (the default). */
  workgroups?: number
}

export async function createWebgpuPrimitives(
  device: Device,
  options: WebgpuPrimitivesOptions = {},
): Promise<WebgpuPrimitives> {
  if (!(device instanceof WebgpuDevice))
    throw new DeviceUnavailableError(device.kind, 'the primitives were given another device', 'Pass a webgpu device')
  const module = await device.load(new URL('../../dist/kernels/primitives.wgsl.json', import.meta.url))
  const mostRanges = options.workgroups ?? usualRanges
  if (!(Number.isInteger(mostRanges) && mostRanges > 0 && mostRanges <= usualRanges)) {
    const expected = `an integer in [1, ${usualRanges}]`
    throw new ArgumentError('createWebgpuPrimitives', 'workgroups', mostRanges, expected)
  }
  /** At least one, so that results of nothing are written too. */
  const rangesOf = (length: number) => Math.max(1, Math.min(mostRanges, Math.ceil(length / tile)))
  const settingsOf = (length: number) => ({ length, ranges: rangesOf(length), zero: 0 })
  const sumRanges = module.kernel('sumRanges')
  const sumPartials = module.kernel('sumPartials')
  const countNonFinite = module.kernel('countNonFinite')
  const reduceWords = module.kernel('reduceWords')
  const scanWords = module.kernel('scanWords')
  const reduceFlags = module.kernel('reduceFlags')
  const selectFlags = module.kernel('selectFlags')
  const sortInto = await createSort(device, options.ranking ?? bestRanking(device), mostRanges)

  /** Checks a tensor of any shape. */
  const checkAny = (operator: string, name: string, tensor: Tensor, dtype: DType = 'u32') => {
    check(operator, device, name, tensor, dtype, tensor.shape)
  }

  const scan = (operator: string, input: Tensor<'u32'>, output: Tensor<'u32'>, count: number) => {
    checkAny(operator, 'input', input)
    checkAny(operator, 'output', output)
    const most = Math.min(input.size, output.size - 1)
    if (!(Number.isInteger(count) && count >= 0 && count <= most))
      throw new ArgumentError(operator, 'count', count, `an integer in [0, ${most}]`)
    const settings = settingsOf(count)
    using rangeSums = device.empty([settings.ranges], 'u32', 'sums of ranges')
    device.launch(reduceWords, settings.ranges, settings, { words: input, rangeSums })
    device.launch(scanWords, settings.ranges, settings, { words: input, rangeSums, offsets: output })
  }

  const sort = (operator: string, words: 1 | 2, from: SortedPairs, to: SortedPairs, range: WebgpuSortRange) => {
    const keyShape = words === 2 ? ([2] as const) : []
    const [n = 0] = check(operator, device, 'keys', from.keys, 'u32', ['*', ...keyShape])
    check(operator, device, 'values', from.values, 'u32', [n])
    check(operator, device, 'sorted keys', to.keys, 'u32', [n, ...keyShape])
    check(operator, device, 'sorted values', to.values, 'u32', [n])
    const width = 32 * words
    const { count = n, firstBit = 0, endBit = width } = range
    const counted = typeof count === 'number' ? null : count
    if (counted) check(operator, device, 'count', counted, 'u32', [1])
    const capacity = typeof count === 'number' ? count : n
    if (!(Number.isInteger(capacity) && capacity >= 0 && capacity <= n))
      throw new ArgumentError(operator, 'count', capacity, `an integer in [0, ${n}]`)
    if (!(Number.isInteger(endBit) && endBit >= 0 && endBit <= width))
      throw new ArgumentError(operator, 'bits', endBit, `an integer in [0, ${width}]`)
    if (!(Number.isInteger(firstBit) && firstBit >= 0 && firstBit <= endBit))
      throw new ArgumentError(operator, 'firstBit', firstBit, `an integer in [0, ${endBit}]`)
    const buffers = [from.keys, from.values].map((tensor) => device.buffer(tensor))
    if (buffers.includes(device.buffer(to.keys)) || buffers.includes(device.buffer(to.values)))
      throw new ArgumentError(operator, 'to', 'the input', 'other tensors than the input')
    sortInto({ words, from, to, capacity, counted, firstBit, endBit })
  }

  const sortNew = (operator: string, words: 1 | 2, from: SortedPairs, bits: number): SortedPairs => {
    if (!(Number.isInteger(bits) && bits >= 0 && bits <= 32 * words))
      throw new ArgumentError(operator, 'bits', bits, `an integer in [0, ${32 * words}]`)
    const [n = 0] = check(operator, device, 'keys', from.keys, 'u32', words === 2 ? ['*', 2] : ['*'])
    check(operator, device, 'values', from.values, 'u32', [n])
    const to = {
      keys: device.empty(from.keys.shape, 'u32', 'sorted keys'),
      values: device.empty([n], 'u32', 'sorted values'),
    }
    sort(operator, words, from, to, { endBit: bits })
    return to
  }

  const select = (flags: Tensor<'u8'>, gathered: Tensor<'u32'> | null, selected: Tensor<'u32'>): Tensor<'u32'> => {
    const settings = { length: flags.size, ranges: rangesOf(flags.size) }
    const count = device.empty([1], 'u32', 'count')
    using rangeSums = device.empty([settings.ranges], 'u32', 'sums of ranges')
    const both = { ...settings, gather: gathered !== null }
    device.launch(reduceFlags, settings.ranges, both, { flags, rangeSums })
    device.launch(selectFlags, settings.ranges, both, { flags, rangeSums, selected, count, gathered })
    return count
  }

  return {
    sum(input) {
      checkAny('sum', 'input', input, 'f32')
      const total = device.empty([1], 'f32', 'sum')
      const settings = settingsOf(input.size)
      using partials = device.empty([settings.ranges, 2], 'f32', 'partial sums')
      device.launch(sumRanges, settings.ranges, settings, { floats: input, partials })
      device.launch(sumPartials, 1, settings, { partials, total })
      return total
    },

    countNonFinite(tensors) {
      for (const tensor of tensors) checkAny('countNonFinite', tensor.name, tensor, 'f32')
      const nonFinite = device.zeros([1], 'u32', 'non-finite values')
      for (const tensor of tensors) {
        const settings = settingsOf(tensor.size)
        device.launch(countNonFinite, settings.ranges, settings, { words: tensor, nonFinite })
      }
      return nonFinite
    },

    exclusiveScan(input) {
      checkAny('exclusiveScan', 'input', input)
      const output = device.empty([input.size + 1], 'u32', 'offsets')
      scan('exclusiveScan', input, output, input.size)
      return output
    },

    exclusiveScanInto: (input, output, count = input.size) => scan('exclusiveScanInto', input, output, count),

    sortPairs: (keys, values, bits = 32) => sortNew('sortPairs', 1, { keys, values }, bits),

    sortWidePairs: (keys, values, bits = 64) => sortNew('sortWidePairs', 2, { keys, values }, bits),

    sortPairsInto: (from, to, range = {}) =>
      sort('sortPairsInto', from.keys.shape.length === 2 ? 2 : 1, from, to, range),

    selectIndices(flags) {
      checkAny('selectIndices', 'flags', flags, 'u8')
      const indices = device.empty([flags.size], 'u32', 'indices')
      return { indices, count: select(flags, null, indices) }
    },

    selectFlagged(input, flags) {
      checkAny('selectFlagged', 'values', input)
      check('selectFlagged', device, 'flags', flags, 'u8', [input.size])
      const values = device.empty([input.size], 'u32', 'selected values')
      return { values, count: select(flags, input, values) }
    },
  }
}
