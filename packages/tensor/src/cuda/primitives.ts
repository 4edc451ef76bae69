import { fileURLToPath } from 'node:url'
import { check } from '../check.js'
import { ArgumentError, DeviceUnavailableError } from '../errors.js'
import type { GpuPrimitives, SortedPairs, SortRange } from '../primitives.js'
import type { Device, Tensor } from '../tensor.js'
import { CudaDevice } from './device.js'
import { LibraryError, type NativeArgument, openLibrary } from './ffi.js'

export type { SortedWidePairs, SortRange } from '../primitives.js'

/** By CUB. */
export type CudaPrimitives = GpuPrimitives

const path = fileURLToPath(new URL('../../dist/native/libclipgstream_cuda.so', import.meta.url))

/** Each takes temporary storage and its size first; without storage it writes the size that it needs. */
const signatures = {
  cgs_sort_pairs_u32: 'pbppppuiip',
  cgs_sort_pairs_u64: 'pbppppuiip',
  cgs_exclusive_scan_u32: 'pbppup',
  cgs_select_indices: 'pbpppup',
  cgs_select_flagged_u32: 'pbppppup',
  cgs_sum_f32: 'pbppup',
} as const

function openNative() {
  try {
    return openLibrary(path, signatures)
  } catch (error) {
    if (!(error instanceof LibraryError)) throw error
    const reason = `the primitives are not built for ${process.platform}-${process.arch} (${path}: ${error.message})`
    throw new DeviceUnavailableError('cuda', reason, 'Build the package tensor with nvcc on PATH', { cause: error })
  }
}

const block = 256

export async function createCudaPrimitives(device: Device): Promise<CudaPrimitives> {
  if (!(device instanceof CudaDevice))
    throw new DeviceUnavailableError(device.kind, 'the primitives were given another device', 'Pass a cuda device')
  const module = await device.load(new URL('../../dist/kernels/primitives.fatbin', import.meta.url))
  const countNonFinite = module.kernel('countNonFinite', 'pup')
  const native = openNative()
  device.admitNative()

  const needed = new BigUint64Array(1)
  const run = (name: keyof typeof signatures, ...args: NativeArgument[]) => {
    needed[0] = 0n
    device.enqueue(name, () => {
      const code = native[name](0, needed, ...args, device.stream)
      if (code !== 0) return code
      using storage = device.empty([Math.max(1, Number(needed[0]))], 'u8', `${name} storage`)
      return native[name](device.address(storage), needed, ...args, device.stream)
    })
  }

  /** Checks a tensor of any shape. */
  const address = (operator: string, name: string, tensor: Tensor, dtype: 'f32' | 'u32' | 'u8' = 'u32') => {
    check(operator, device, name, tensor, dtype, tensor.shape)
    return device.address(tensor)
  }

  const sort = (operator: string, wide: boolean, from: SortedPairs, to: SortedPairs, range: SortRange) => {
    const keyShape = wide ? ([2] as const) : []
    const [n = 0] = check(operator, device, 'keys', from.keys, 'u32', ['*', ...keyShape])
    check(operator, device, 'values', from.values, 'u32', [n])
    check(operator, device, 'sorted keys', to.keys, 'u32', [n, ...keyShape])
    check(operator, device, 'sorted values', to.values, 'u32', [n])
    const width = wide ? 64 : 32
    const { count = n, firstBit = 0, endBit = width } = range
    if (!(Number.isInteger(count) && count >= 0 && count <= n))
      throw new ArgumentError(operator, 'count', count, `an integer in [0, ${n}]`)
    if (!(Number.isInteger(endBit) && endBit >= 0 && endBit <= width))
      throw new ArgumentError(operator, 'bits', endBit, `an integer in [0, ${width}]`)
    if (!(Number.isInteger(firstBit) && firstBit >= 0 && firstBit <= endBit))
      throw new ArgumentError(operator, 'firstBit', firstBit, `an integer in [0, ${endBit}]`)
    const [keys, values] = [device.address(from.keys), device.address(from.values)]
    const [keysOut, valuesOut] = [device.address(to.keys), device.address(to.values)]
    if ((n > 0 && keys === keysOut) || (n > 0 && values === valuesOut))
      throw new ArgumentError(operator, 'to', 'the input', 'other tensors than the input')
    if (count === 0) return
    const name = wide ? 'cgs_sort_pairs_u64' : 'cgs_sort_pairs_u32'
    run(name, keys, keysOut, values, valuesOut, count, firstBit, endBit)
  }

  const sortNew = (operator: string, wide: boolean, from: SortedPairs, bits: number): SortedPairs => {
    const { keys, values } = from
    if (!(Number.isInteger(bits) && bits >= 0 && bits <= (wide ? 64 : 32)))
      throw new ArgumentError(operator, 'bits', bits, `an integer in [0, ${wide ? 64 : 32}]`)
    const [n = 0] = check(operator, device, 'keys', keys, 'u32', wide ? ['*', 2] : ['*'])
    check(operator, device, 'values', values, 'u32', [n])
    const output = {
      keys: device.empty(keys.shape, 'u32', 'sorted keys'),
      values: device.empty(values.shape, 'u32', 'sorted values'),
    }
    if (bits > 0) sort(operator, wide, from, output, { endBit: bits })
    else {
      device.copy(keys, output.keys)
      device.copy(values, output.values)
    }
    return output
  }

  const scan = (operator: string, input: Tensor<'u32'>, output: Tensor<'u32'>, count: number) => {
    const [from, to] = [address(operator, 'input', input), address(operator, 'output', output)]
    const most = Math.min(input.size, output.size - 1)
    if (!(Number.isInteger(count) && count >= 0 && count <= most))
      throw new ArgumentError(operator, 'count', count, `an integer in [0, ${most}]`)
    run('cgs_exclusive_scan_u32', from, to, count)
  }

  return {
    sum(input) {
      const from = address('sum', 'input', input, 'f32')
      const output = device.empty([1], 'f32', 'sum')
      run('cgs_sum_f32', from, device.address(output), input.size)
      return output
    },

    countNonFinite(tensors) {
      for (const tensor of tensors) address('countNonFinite', tensor.name, tensor, 'f32')
      const output = device.zeros([1], 'u32', 'non-finite values')
      for (const tensor of tensors) {
        const grid = device.gridFor(tensor.size, block)
        device.launch(countNonFinite, { grid, block }, tensor, tensor.size, output)
      }
      return output
    },

    exclusiveScan(input) {
      address('exclusiveScan', 'input', input)
      const output = device.empty([input.size + 1], 'u32', 'offsets')
      scan('exclusiveScan', input, output, input.size)
      return output
    },

    exclusiveScanInto: (input, output, count = input.size) => scan('exclusiveScanInto', input, output, count),

    sortPairs: (keys, values, bits = 32) => sortNew('sortPairs', false, { keys, values }, bits),

    sortWidePairs: (keys, values, bits = 64) => sortNew('sortWidePairs', true, { keys, values }, bits),

    sortPairsInto: (from, to, range = {}) => sort('sortPairsInto', from.keys.shape.length === 2, from, to, range),

    selectIndices(flags) {
      const from = address('selectIndices', 'flags', flags, 'u8')
      const indices = device.empty([flags.size], 'u32', 'indices')
      const count = device.zeros([1], 'u32', 'count')
      if (flags.size > 0) run('cgs_select_indices', from, device.address(indices), device.address(count), flags.size)
      return { indices, count }
    },

    selectFlagged(input, flags) {
      const from = address('selectFlagged', 'values', input)
      check('selectFlagged', device, 'flags', flags, 'u8', [input.size])
      const values = device.empty([input.size], 'u32', 'selected values')
      const count = device.zeros([1], 'u32', 'count')
      const [to, counter] = [device.address(values), device.address(count)]
      if (input.size > 0) run('cgs_select_flagged_u32', from, device.address(flags), to, counter, input.size)
      return { values, count }
    },
  }
}
