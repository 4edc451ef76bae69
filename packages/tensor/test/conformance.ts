import { createPrimitives, createRandom, type Device } from '@clipgstream/tensor'
import type { ConformanceCase, Tolerance, Values } from '../../../tools/conformance/case.js'

const exact: Tolerance = { absolute: 0, relative: 0 }
const small = 9001
/** More than a thousand tiles of every device. */
const full = (1 << 22) + 77

function words(length: number): Uint32Array<ArrayBuffer> {
  const random = createRandom(length)
  return Uint32Array.from({ length }, () => random.integer(2 ** 32))
}

function normal(length: number): Float32Array<ArrayBuffer> {
  const random = createRandom(length)
  return Float32Array.from({ length }, () => random.normal() + 0.5)
}

async function sort(device: Device, n: number, bits: number): Promise<Record<string, Values>> {
  const { sortPairs } = await createPrimitives(device)
  using _ = device.scope()
  const sorted = sortPairs(device.from(words(n)), device.from(Uint32Array.from({ length: n }, (_, i) => i)), bits)
  return { keys: await sorted.keys.read(), values: await sorted.values.read() }
}

function sortOracle(n: number, bits: number): Record<string, Values> {
  const keys = words(n)
  const mask = bits === 32 ? 0xffffffff : 2 ** bits - 1
  const order = Uint32Array.from({ length: n }, (_, i) => i)
  order.sort((a, b) => ((keys[a]! & mask) >>> 0) - ((keys[b]! & mask) >>> 0) || a - b)
  return { keys: order.map((i) => keys[i]!), values: order }
}

async function scan(device: Device, n: number): Promise<Record<string, Values>> {
  const { exclusiveScan } = await createPrimitives(device)
  using _ = device.scope()
  return { offsets: await exclusiveScan(device.from(words(n))).read() }
}

function scanOracle(n: number): Record<string, Values> {
  const offsets = new Uint32Array(n + 1)
  for (const [i, value] of words(n).entries()) offsets[i + 1] = offsets[i]! + value
  return { offsets }
}

async function sum(device: Device, n: number): Promise<Record<string, Values>> {
  const primitives = await createPrimitives(device)
  using _ = device.scope()
  const values = normal(n)
  values[5] = Number.NaN
  const total = primitives.sum(device.from(normal(n)))
  return { sum: await total.read(), nonFinite: await primitives.countNonFinite([device.from(values)]).read() }
}

function sumOracle(n: number): Record<string, Values> {
  return { sum: Float64Array.of(normal(n).reduce((total, value) => total + value, 0)), nonFinite: Uint32Array.of(1) }
}

export const cases: ConformanceCase[] = [small, full].flatMap((n) => {
  const size = n === small ? 'small' : 'full'
  const withOracle = (oracle: () => Record<string, Values>) => (size === 'small' ? { oracle } : {})
  return [
    ...[32, 13].map((bits): ConformanceCase => {
      return {
        operator: 'tensor.sortPairs',
        name: `${n} pairs by ${bits} bits`,
        size,
        tolerance: { keys: exact, values: exact },
        run: (device) => sort(device, n, bits),
        ...withOracle(() => sortOracle(n, bits)),
      }
    }),
    {
      operator: 'tensor.exclusiveScan',
      name: `${n} words`,
      size,
      tolerance: { offsets: exact },
      run: (device) => scan(device, n),
      ...withOracle(() => scanOracle(n)),
    },
    {
      operator: 'tensor.sum',
      name: `${n} numbers`,
      size,
      // Sums are rounded once.
      tolerance: { sum: { absolute: 0, relative: 2 ** -23 }, nonFinite: exact },
      run: (device) => sum(device, n),
      ...withOracle(() => sumOracle(n)),
    },
  ]
})
