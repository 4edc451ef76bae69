import { check, type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { WasmDevice } from '@clipgstream/tensor/wasm'
import type { GridLayout, HashGrid, HashGridConfig, HashGridInputs } from './contract.js'
import { gridLayout } from './layout.js'

/** Points of a forward chunk. */
const block = 2048
/** Values of a chunk that is widened. */
const wideBlock = 65536
const levelWords = 16

export async function createWasmHashGrid(device: Device, config: HashGridConfig): Promise<HashGrid> {
  if (!(device instanceof WasmDevice)) {
    throw new DeviceUnavailableError(device.kind, 'the hash grid was given another device', 'Pass a wasm device')
  }
  const layout = gridLayout(config)
  const { levels, features } = config
  const module = await device.load(new URL('../dist/kernels/hashgrid.wasm', import.meta.url))
  const encode = module.kernel('encode')
  const encodeBackward = module.kernel('encodeBackward')
  const widen = module.kernel('widen')
  const { entries, width } = layout
  const shift = 2 + Math.log2(features)
  const records = levelRecords(layout)

  const pointCount = (operator: string, { points, count }: HashGridInputs): number => {
    const [n = 0] = check(operator, device, 'points', points, 'f32', ['*', 4])
    if (count) check(operator, device, 'count', count, 'u32', [1])
    return n
  }

  return {
    config,
    layout,
    entries,
    width,
    forward(inputs: HashGridInputs, table: Tensor<'f32' | 'f16'>): Tensor<'f32'> {
      const { points, count = null } = inputs
      const n = pointCount('hashgrid.forward', inputs)
      const isHalf = table.dtype === 'f16'
      check('hashgrid.forward', device, 'table', table, isHalf ? 'f16' : 'f32', [entries, features])
      const encoded = device.empty([n, width], 'f32', 'encoded')
      using wide = isHalf ? device.empty(table.shape, 'f32', 'wide table') : null
      if (wide) device.launch(widen, Math.ceil(table.size / wideBlock), table, wide, table.size, wideBlock)
      using places = device.from(records)
      const chunks = levels * Math.ceil(n / block)
      device.launch(encode, chunks, points, count, wide ?? table, encoded, places, n, block, width, shift)
      return encoded
    },
    backward(inputs: HashGridInputs, vEncoded: Tensor<'f32'>, vTable: Tensor<'f32'>): void {
      const { points, count = null } = inputs
      const n = pointCount('hashgrid.backward', inputs)
      check('hashgrid.backward', device, 'vEncoded', vEncoded, 'f32', [n, width])
      check('hashgrid.backward', device, 'vTable', vTable, 'f32', [entries, features])
      using places = device.from(records)
      device.launch(encodeBackward, levels, points, count, vEncoded, vTable, places, n, width, shift)
    },
  }
}

/** One record a level, as the kernels read it. */
function levelRecords({ levels }: GridLayout): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(levels.length * levelWords)
  const floats = new Float32Array(words.buffer)
  for (const [l, { scale, timeScale, factors, entries, offset, indexing }] of levels.entries()) {
    floats.set([scale, scale, scale, timeScale], l * levelWords)
    words.set([...factors, entries, offset, indexing === 'hashed' ? 1 : 0], l * levelWords + 4)
  }
  return words
}
