import { ArgumentError, check, type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { WebgpuDevice, type WebgpuModule } from '@clipgstream/tensor/webgpu'
import type { GridLayout, HashGrid, HashGridConfig, HashGridInputs, HashGridOptions } from './contract.js'
import { gridLayout } from './layout.js'

// As in the kernels.
const threads = 256
const pointsOfBlock = threads / 2
const maxLevels = 32

/** Bytes of sums that exist at a time, unless a level alone has more. */
const temporaryBytes = 128 << 20
/** Bytes of the two words that a value's sum takes. */
const sumBytes = 8
/** Workgroups that look for the largest gradients, and rows that each should have for every invocation at least. */
const mostSearchers = 2048
const leastRounds = 8

export async function createWebgpuHashGrid(
  device: Device,
  config: HashGridConfig,
  { gradients = 'fixed' }: HashGridOptions,
): Promise<HashGrid> {
  if (!(device instanceof WebgpuDevice)) {
    throw new DeviceUnavailableError(device.kind, 'the hash grid was given another device', 'Pass a webgpu device')
  }
  if (gradients !== 'fixed' && gradients !== 'float')
    throw new ArgumentError('createHashGrid', 'gradients', gradients satisfies never, 'fixed or float')
  const layout = gridLayout(config)
  const { levels, features } = config
  const { entries, width } = layout
  checkLimits(device, config, layout, gradients)
  const module = await device.load(new URL('../dist/kernels/hashgrid.wgsl.json', import.meta.url))
  const constants = { FUSED: await isFused(device, module) }
  const halfModule = await device.load(new URL('../dist/kernels/hashgrid-f16.wgsl.json', import.meta.url))
  const encodeName = features < 4 ? 'encode' : 'encodeQuads'
  const encode = { f32: module.kernel(encodeName, constants), f16: halfModule.kernel(encodeName, constants) }
  const largestGradients = module.kernel('largestGradients')
  const encodeBackward = module.kernel('encodeBackward', constants)
  const addGradients = module.kernel('addGradients')
  const encodeBackwardFloat = module.kernel('encodeBackwardFloat', constants)
  const records = levelRecords(layout)
  const groups = groupsOf(layout, features, Math.min(temporaryBytes, largestTensor(device)))

  const pointCount = (operator: string, { points, count }: HashGridInputs): number => {
    const [n = 0] = check(operator, device, 'points', points, 'f32', ['*', 4])
    if (count) check(operator, device, 'count', count, 'u32', [1])
    return n
  }
  const settingsFor = (n: number, count: Tensor | null, group: Group) => ({
    capacity: n,
    counted: count !== null,
    levelCount: levels,
    features,
    quads: Math.ceil(features / 4),
    rowsOfBlock: Math.max(leastRounds * Math.floor(threads / width), Math.ceil(n / mostSearchers)),
    levels: records,
    ...group,
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
      const settings = settingsFor(n, count, everything(layout, features))
      if (features < 4) {
        const workgroups = Math.ceil(n / threads) * levels
        device.launch(encode[dtype], workgroups, settings, { points, count, table, encoded })
      } else {
        const workgroups = Math.ceil(n / pointsOfBlock) * Math.ceil(levels / 2) * settings.quads
        const tensors = { points, count, tableQuads: table, encodedQuads: encoded }
        device.launch(encode[dtype], workgroups, settings, tensors)
      }
      return encoded
    },
    backward(inputs: HashGridInputs, vEncoded: Tensor<'f32'>, vTable: Tensor<'f32'>): void {
      const { points, count = null } = inputs
      const n = pointCount('hashgrid.backward', inputs)
      check('hashgrid.backward', device, 'vEncoded', vEncoded, 'f32', [n, width])
      check('hashgrid.backward', device, 'vTable', vTable, 'f32', [entries, features])
      if (n === 0) return
      const all = settingsFor(n, count, everything(layout, features))
      const blocks = Math.ceil(n / (pointsOfBlock / features))
      if (gradients === 'float') {
        const tensors = { points, count, vEncoded, vTableAtomic: vTable }
        device.launch(encodeBackwardFloat, blocks * levels, all, tensors)
        return
      }
      using largest = device.zeros([levels], 'u32', 'largest gradients')
      device.launch(largestGradients, Math.ceil(n / all.rowsOfBlock), all, { count, vEncoded, largest })
      for (const group of groups) {
        using sums = device.zeros([2, group.values], 'i32', 'sums of gradients')
        const settings = { ...all, ...group }
        const tensors = { points, count, vEncoded, vTable, largestRead: largest, sums }
        device.launch(encodeBackward, blocks * (group.lastLevel - group.firstLevel), settings, tensors)
        const workgroups = Math.ceil(group.values / 4 / threads)
        const rest = { vTableQuads: vTable, largestRead: largest, sumQuads: sums }
        device.launch(addGradients, workgroups, settings, rest)
      }
    },
  }
}

/** Neighbouring levels that pass together. */
interface Group {
  firstLevel: number
  lastLevel: number
  firstEntry: number
  /** Of all their entries. */
  values: number
}

function everything({ levels, entries }: GridLayout, features: number): Group {
  return { firstLevel: 0, lastLevel: levels.length, firstEntry: 0, values: entries * features }
}

/** Levels in turn, as many as have their sums in `bytes`, at least one. */
function groupsOf({ levels }: GridLayout, features: number, bytes: number): Group[] {
  const groups: Group[] = []
  for (const [l, { entries, offset }] of levels.entries()) {
    const values = entries * features
    const last = groups.at(-1)
    if (last && (last.values + values) * sumBytes <= bytes) {
      last.values += values
      last.lastLevel = l + 1
    } else groups.push({ firstLevel: l, lastLevel: l + 1, firstEntry: offset, values })
  }
  return groups
}

/** Bytes that can be bound. */
function largestTensor({ limits }: WebgpuDevice): number {
  return Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize)
}

function checkLimits(
  device: WebgpuDevice,
  { features }: HashGridConfig,
  { entries, levels }: GridLayout,
  gradients: 'fixed' | 'float',
): void {
  const limit = largestTensor(device)
  const refuse = (what: string, bytes: number, remedy: string) => {
    if (bytes <= limit) return
    const expected = `at most the ${limit} bytes that ${device.label} binds: ${remedy}`
    throw new ArgumentError('createHashGrid', what, bytes, expected)
  }
  refuse(
    `bytes of a table of ${entries} entries`,
    entries * features * 4,
    'use a smaller log2TableSize or fewer levels',
  )
  if (gradients === 'float') return
  const largest = Math.max(...levels.map((level) => level.entries))
  const remedy = "use a smaller log2TableSize, or gradients 'float'"
  refuse(`bytes of the gradient sums of ${largest} entries`, largest * features * sumBytes, remedy)
}

const fused = new WeakMap<WebgpuDevice, Promise<boolean>>()

/** Whether fma rounds once in the kernels of this device, by trying. */
function isFused(device: WebgpuDevice, module: WebgpuModule): Promise<boolean> {
  const known = fused.get(device)
  if (known) return known
  const answer = tryFused(device, module)
  fused.set(device, answer)
  answer.catch(() => fused.delete(device))
  return answer
}

async function tryFused(device: WebgpuDevice, module: WebgpuModule): Promise<boolean> {
  const telling = tellingPairs()
  using positions = device.from(new Uint32Array(Float32Array.from(telling.flat()).buffer), [telling.length, 2])
  const settings = {
    ...{ capacity: telling.length, counted: false, levelCount: 0, firstLevel: 0, lastLevel: 0, features: 0, quads: 0 },
    ...{ firstEntry: 0, values: 0, rowsOfBlock: 0, levels: new Uint32Array(maxLevels * 8) },
  }
  device.launch(module.kernel('locateAll', { FUSED: true }), 1, settings, { positions })
  const cells = await positions.read()
  const fractions = new Float32Array(cells.buffer)
  return telling.every(([scale, x], i) => {
    const p = Math.fround(scale * x + 0.5)
    return cells[2 * i] === Math.floor(p) && fractions[2 * i + 1] === p - Math.floor(p)
  })
}

/** Scales and coordinates for which it shows whether the product was rounded before one half was added. */
function tellingPairs(): [number, number][] {
  const pairs: [number, number][] = []
  for (let i = 1; pairs.length < 64; i++) {
    // The sum lies beyond a power of two, so that it has a bit less than the product.
    const scale = Math.fround(2 + i / 7)
    const x = Math.fround((1.6 + (i % 31) / 100) / scale)
    if (Math.fround(Math.fround(scale * x) + 0.5) !== Math.fround(scale * x + 0.5)) pairs.push([scale, x])
  }
  return pairs
}

/** Two vectors a level, as the kernels' `levelAt` reads them; unused levels are zero. */
function levelRecords({ levels }: GridLayout): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(maxLevels * 8)
  const floats = new Float32Array(words.buffer)
  for (const [l, { scale, timeScale, factors, entries, offset, indexing }] of levels.entries()) {
    const [, y, z, t] = factors
    floats.set([scale, timeScale], 8 * l)
    words.set([entries, offset, y, z, t, indexing === 'hashed' ? 1 : 0], 8 * l + 2)
  }
  return words
}
