import { check, type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { CudaDevice } from '@clipgstream/tensor/cuda'
import type { GridLayout, HashGrid, HashGridConfig, HashGridInputs } from './contract.js'
import { gridLayout } from './layout.js'

// As in the kernels.
const threads = 256
const pointsPerBlock = threads / 2
const maxLevels = 32
const levelSignature = 'ffuuuuuu'

export async function createCudaHashGrid(device: Device, config: HashGridConfig): Promise<HashGrid> {
  if (!(device instanceof CudaDevice)) {
    throw new DeviceUnavailableError(device.kind, 'the hash grid was given another device', 'Pass a cuda device')
  }
  const layout = gridLayout(config)
  const { levels, features } = config
  const module = await device.load(new URL('../dist/kernels/hashgrid.fatbin', import.meta.url))
  const signature = `ppppuu${levelSignature.repeat(maxLevels)}`
  const encode = {
    f32: module.kernel(`encode${features}`, signature),
    f16: module.kernel(`encodeHalves${features}`, signature),
  }
  const encodeBackward = module.kernel(`encodeBackward${features}`, signature)
  const { entries, width } = layout
  const records = levelRecords(layout)

  const pointCount = (operator: string, { points, count }: HashGridInputs): number => {
    const [n = 0] = check(operator, device, 'points', points, 'f32', ['*', 4])
    if (count) check(operator, device, 'count', count, 'u32', [1])
    return n
  }
  /** Level by level: the first extent of the grid runs fastest. */
  const shape = (n: number) => ({
    grid: [Math.ceil(n / pointsPerBlock), Math.ceil(levels / 2)] as const,
    block: threads,
  })

  return {
    config,
    layout,
    entries,
    width,
    forward(inputs: HashGridInputs, table: Tensor<'f32' | 'f16'>): Tensor<'f32'> {
      const { points, count = null } = inputs
      const n = pointCount('hashgrid.forward', inputs)
      const dtype = table.dtype === 'f16' ? 'f16' : 'f32'
      check('hashgrid.forward', device, 'table', table, dtype, [entries, features])
      const encoded = device.empty([n, width], 'f32', 'encoded')
      device.launch(encode[dtype], shape(n), points, count, table, encoded, n, levels, ...records)
      return encoded
    },
    backward(inputs: HashGridInputs, vEncoded: Tensor<'f32'>, vTable: Tensor<'f32'>): void {
      const { points, count = null } = inputs
      const n = pointCount('hashgrid.backward', inputs)
      check('hashgrid.backward', device, 'vEncoded', vEncoded, 'f32', [n, width])
      check('hashgrid.backward', device, 'vTable', vTable, 'f32', [entries, features])
      device.launch(encodeBackward, shape(n), points, count, vEncoded, vTable, n, levels, ...records)
    },
  }
}

/** The members of the kernels' levels, one after the other; unused levels are zero. */
function levelRecords({ levels }: GridLayout): number[] {
  const members = levels.flatMap(({ scale, timeScale, factors: [, y, z, t], entries, offset, indexing }) => [
    scale,
    timeScale,
    y,
    z,
    t,
    entries,
    offset,
    indexing === 'hashed' ? 1 : 0,
  ])
  return [...members, ...new Array<number>((maxLevels - levels.length) * levelSignature.length).fill(0)]
}
