import type { SortedPairs } from '../primitives.js'
import type { Tensor } from '../tensor.js'
import type { WebgpuDevice } from './device.js'

/** How lanes with the same digit find each other: by ballots of subgroups, or by masks in workgroup memory. */
export type Ranking = 'subgroups' | 'masks'

/** Elements of a tile. */
const tile = 4096
/** So many are added up by one workgroup. */
const fewRanges = 8
/** Counters of a workgroup: 8 KiB. */
const counters = 2048

export interface SortPlan {
  /** Key words of an element. */
  words: 1 | 2
  from: SortedPairs
  to: SortedPairs
  /** Elements, or at most so many when `counted` has their number. */
  capacity: number
  /** [1] */
  counted: Tensor<'u32'> | null
  firstBit: number
  endBit: number
}

/** What the adapter does best. Small subgroups would need small digits, more passes than masks take. */
export function bestRanking({ subgroupLanes }: WebgpuDevice): Ranking {
  return subgroupLanes && subgroupLanes.least >= 16 && subgroupLanes.most <= 64 ? 'subgroups' : 'masks'
}

/** The radix sort of kernels/sort.wgsl. */
export async function createSort(
  device: WebgpuDevice,
  ranking: Ranking,
  mostRanges: number,
): Promise<(plan: SortPlan) => void> {
  const url = new URL('../../dist/kernels/sort.wgsl.json', import.meta.url)
  const module = await device.load(url, ranking === 'subgroups' ? [] : ['subgroups'])
  const leastLanes = module.flags.includes('SUBGROUPS') ? (device.subgroupLanes?.least ?? 4) : 32
  const digitBits = Math.min(8, Math.floor(Math.log2((counters * leastLanes) / 256)))
  const kernels = ([1, 2] as const).map((keyWords) => {
    const constants = { digitBits, leastLanes, keyWords }
    return {
      countDigits: module.kernel(keyWords === 1 ? 'countDigits' : 'countWideDigits', constants),
      scanDigits: module.kernel('scanDigits', constants),
      scanFewRanges: module.kernel('scanFewRanges', constants),
      scatterPairs: module.kernel('scatterPairs', constants),
    }
  })

  return ({ words, from, to, capacity, counted, firstBit, endBit }) => {
    const own = kernels[words - 1]
    if (!own) throw new Error(`there are no kernels for keys of ${words} words`)
    const digits = [
      ...digitsOf(0, Math.min(firstBit, 32), Math.min(endBit, 32), digitBits),
      ...digitsOf(1, Math.max(firstBit, 32) - 32, Math.max(endBit, 32) - 32, digitBits),
    ]
    if (capacity === 0) return
    // With nothing to compare one pass by no bits copies in order.
    if (digits.length === 0) digits.push({ word: 0, shift: 0, mask: 0 })
    const ranges = Math.min(mostRanges, Math.ceil(capacity / tile))
    using places = device.empty([2 ** digitBits, ranges], 'u32', 'places of digits')
    using totals = device.empty([2 ** digitBits], 'u32', 'totals of digits')
    const shape = words === 1 ? [capacity] : [capacity, 2]
    const several = digits.length > 1
    const keys = several ? device.empty(shape, 'u32', 'half sorted keys') : undefined
    const values = several ? device.empty([capacity], 'u32', 'half sorted values') : undefined
    const other = keys && values ? { keys, values } : to
    let source = from
    for (const [i, digit] of digits.entries()) {
      // The last pass writes the output.
      const target = (digits.length - i) % 2 === 1 ? to : other
      const settings = { capacity, counted: counted !== null, ranges, ...digit }
      const input = { keys: source.keys, count: counted }
      const keysToCount = words === 1 ? { keyVectors: source.keys } : { keys: source.keys }
      device.launch(own.countDigits, ranges, settings, { ...keysToCount, count: counted, places })
      if (ranges <= fewRanges) device.launch(own.scanFewRanges, 1, settings, { places, totals })
      else device.launch(own.scanDigits, 2 ** digitBits, settings, { places, totals })
      const output = { sortedKeys: target.keys, sortedValues: target.values }
      device.launch(own.scatterPairs, ranges, settings, { ...input, values: source.values, places, totals, ...output })
      source = target
    }
    keys?.dispose()
    values?.dispose()
  }
}

/** As few digits as cover the bits of a word, all about as wide. */
function digitsOf(word: number, first: number, end: number, digitBits: number) {
  const passes = Math.ceil((end - first) / digitBits)
  return Array.from({ length: passes }, (_, i) => {
    const shift = first + Math.floor(((end - first) * i) / passes)
    const next = first + Math.floor(((end - first) * (i + 1)) / passes)
    return { word, shift, mask: 2 ** (next - shift) - 1 }
  })
}
