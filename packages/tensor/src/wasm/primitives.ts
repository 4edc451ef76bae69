import { check } from '../check.js'
import type { DType } from '../dtype.js'
import { ArgumentError, DeviceUnavailableError } from '../errors.js'
import type { Primitives, SortedPairs } from '../primitives.js'
import type { Device, Tensor } from '../tensor.js'
import { WasmDevice } from './device.js'

/** Elements of a chunk. */
const block = 16384

export async function createWasmPrimitives(device: Device): Promise<Primitives> {
  if (!(device instanceof WasmDevice))
    throw new DeviceUnavailableError(device.kind, 'the primitives were given another device', 'Pass a wasm device')
  const module = await device.load(new URL('../../dist/kernels/primitives.wasm', import.meta.url))
  const sumBlocks = module.kernel('sumBlocks')
  const sumPartials = module.kernel('sumPartials')
  const countNonFinite = module.kernel('countNonFinite')
  const countBlocks = module.kernel('countBlocks')
  const scanCounts = module.kernel('scanCounts')
  const scanBlocks = module.kernel('scanBlocks')
  const countDigits = module.kernel('countDigits')
  const scatterPairs = module.kernel('scatterPairs')

  /** Checks a tensor of any shape and returns its size and chunks. */
  const plan = (operator: string, name: string, tensor: Tensor, dtype: DType) => {
    check(operator, device, name, tensor, dtype, tensor.shape)
    return { n: tensor.size, chunks: Math.ceil(tensor.size / block) }
  }

  const sortPass = (from: SortedPairs, to: SortedPairs, shift: number, mask: number) => {
    const n = from.keys.size
    const chunks = Math.ceil(n / block)
    using counts = device.empty([256, chunks], 'u32')
    using total = device.empty([1], 'u32')
    device.launch(countDigits, chunks, from.keys, counts, n, block, chunks, shift, mask)
    device.launch(scanCounts, 1, counts, total, 256 * chunks)
    const { keys, values } = from
    device.launch(scatterPairs, chunks, keys, values, counts, to.keys, to.values, n, block, chunks, shift, mask)
  }

  return {
    sum(input) {
      const { n, chunks } = plan('sum', 'input', input, 'f32')
      const output = device.empty([1], 'f32', 'sum')
      using partials = device.empty([chunks, 2], 'u32')
      device.launch(sumBlocks, chunks, input, partials, n, block)
      device.launch(sumPartials, 1, partials, output, chunks)
      return output
    },

    countNonFinite(tensors) {
      const plans = tensors.map((tensor) => plan('countNonFinite', tensor.name, tensor, 'f32'))
      const all = plans.reduce((sum, { chunks }) => sum + chunks, 0)
      const output = device.empty([1], 'u32', 'non-finite values')
      using counts = device.empty([all], 'u32')
      let first = 0
      for (const [i, { n, chunks }] of plans.entries()) {
        device.launch(countNonFinite, chunks, tensors[i] ?? null, counts, first, n, block)
        first += chunks
      }
      device.launch(scanCounts, 1, counts, output, all)
      return output
    },

    exclusiveScan(input) {
      const { n, chunks } = plan('exclusiveScan', 'input', input, 'u32')
      const output = device.empty([n + 1], 'u32', 'offsets')
      using counts = device.empty([chunks], 'u32')
      device.launch(countBlocks, chunks, input, counts, n, block)
      device.launch(scanCounts, 1, counts, device.address(output) + 4 * n, chunks)
      device.launch(scanBlocks, chunks, input, counts, output, n, block)
      return output
    },

    sortPairs(keys, values, bits = 32) {
      const [n = 0] = check('sortPairs', device, 'keys', keys, 'u32', ['*'])
      check('sortPairs', device, 'values', values, 'u32', [n])
      if (!(Number.isInteger(bits) && bits >= 0 && bits <= 32))
        throw new ArgumentError('sortPairs', 'bits', bits, 'an integer in [0, 32]')
      const pair = (name: string): SortedPairs => ({
        keys: device.empty([n], 'u32', `${name} keys`),
        values: device.empty([n], 'u32', `${name} values`),
      })
      const output = pair('sorted')
      const passes = Math.ceil(bits / 8)
      if (passes === 0) {
        device.copy(keys, output.keys)
        device.copy(values, output.values)
        return output
      }
      const other = passes > 1 ? pair('half sorted') : output
      let from: SortedPairs = { keys, values }
      for (let pass = 0; pass < passes; pass++) {
        // The last pass writes the output.
        const to = (passes - pass) % 2 === 1 ? output : other
        sortPass(from, to, 8 * pass, 2 ** Math.min(8, bits - 8 * pass) - 1)
        from = to
      }
      if (other !== output) {
        other.keys.dispose()
        other.values.dispose()
      }
      return output
    },
  }
}
