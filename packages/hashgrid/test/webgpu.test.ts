import { createHashGrid, originalGrid } from '@clipgstream/hashgrid'
import { createRandom } from '@clipgstream/tensor'
import { describe, expect, it } from 'vitest'
import { webgpuForTests } from '../../tensor/test/webgpu-device.js'
import { problem } from './conformance.js'
import { oracleBackward, oracleForward } from './oracle.js'
import { hashGridSuite } from './suite.js'

const device = await webgpuForTests()

hashGridSuite('WebGPU', device, { options: [{ gradients: 'fixed' }, { gradients: 'float' }], repeats: [true, false] })

describe.skipIf(!device)('hash grid on WebGPU', () => {
  const gpu = device!

  it('rounds positions once, in integers where fma does not', async () => {
    const random = createRandom(4)
    const n = 20_000
    const pairs = new Uint32Array(2 * n)
    const floats = new Float32Array(pairs.buffer)
    const special = [0, 1, 1 - 2 ** -24, 2 ** -149, 2 ** -126, 0.5, 0.25 + 2 ** -26]
    for (let i = 0; i < n; i++) {
      const scale = i % 3 ? Math.round(2 ** (24 * random.uniform())) - 1 : 2 ** (24 * random.uniform()) - 1
      const x = i % 2 ? random.uniform() * 2 ** (-30 * random.uniform()) : random.uniform()
      floats.set([scale, i % 10 ? x : special[random.integer(special.length)]!], 2 * i)
    }
    const module = await gpu.load(new URL('../dist/kernels/hashgrid.wgsl.json', import.meta.url))
    using positions = gpu.from(pairs.slice(), [n, 2])
    const settings = {
      ...{ capacity: n, counted: false, levelCount: 0, firstLevel: 0, lastLevel: 0, features: 0, quads: 0 },
      ...{ firstEntry: 0, values: 0, rowsOfBlock: 0, levels: new Uint32Array(256) },
    }
    gpu.launch(module.kernel('locateAll', { FUSED: false }), Math.ceil(n / 64), settings, { positions })
    const cells = await positions.read()
    const fractions = new Float32Array(cells.buffer)
    for (let i = 0; i < n; i++) {
      // Exact in double precision, but for coordinates so small that they do not matter.
      const p = Math.fround(floats[2 * i]! * floats[2 * i + 1]! + 0.5)
      expect([cells[2 * i], fractions[2 * i + 1]]).toEqual([Math.floor(p), p - Math.floor(p)])
    }
  })

  it('loses nothing where thousands of large gradients cancel', async () => {
    const config = {
      levels: 2,
      features: 1,
      log2TableSize: 6,
      baseResolution: 2,
      growth: 1,
      indexing: 'exact',
    } as const
    const n = 4000
    const points = new Float32Array(4 * n).fill(0.3)
    const vEncoded = Float32Array.from({ length: 2 * n }, (_, i) => (i < n ? 1 : -1 + 2 ** -12))
    const expected = oracleBackward(config, points, vEncoded)
    using _ = gpu.scope()
    const grid = await createHashGrid(gpu, config)
    const vTable = gpu.zeros([grid.entries, 1])
    grid.backward({ points: gpu.from(points, [n, 4]) }, gpu.from(vEncoded, [n, 2]), vTable)
    const actual = await vTable.read()
    // Terms are rounded to f32; their sums, up to 500 on the way, are not.
    for (const [i, value] of expected.entries()) expect(Math.abs(actual[i]! - value)).toBeLessThan(n * 2 ** -25)
    expect(Math.max(...expected)).toBeGreaterThan(2 ** -6)
  })

  // A software adapter takes half a minute.
  it.skipIf(device?.software)('launches more than 65,535 workgroups', async () => {
    const config = {
      levels: 32,
      features: 1,
      log2TableSize: 6,
      baseResolution: 2,
      growth: 1,
      indexing: 'exact',
    } as const
    const [n, used] = [530_000, 3]
    const { points, table } = problem(config, used, 3)
    using _ = gpu.scope()
    const grid = await createHashGrid(gpu, config)
    const all = new Float32Array(4 * n)
    all.set(points)
    const inputs = { points: gpu.from(all, [n, 4]), count: gpu.from(Uint32Array.of(used)) }
    const encoded = grid.forward(inputs, gpu.from(table, [grid.entries, 1]))
    const expected = oracleForward(config, points, table)
    const actual = await gpu.read(encoded, 0, expected.length)
    for (const [i, value] of expected.entries()) expect(Math.abs(actual[i]! - value)).toBeLessThan(1e-6)
  })

  it('says which tables the adapter cannot bind', async () => {
    const config = { ...originalGrid(24), levels: 8, features: 8, growth: 4 }
    const limit = Math.min(gpu.limits.maxBufferSize, gpu.limits.maxStorageBufferBindingSize)
    if (limit >= 2 ** 32 - 4) return
    await expect(createHashGrid(gpu, config)).rejects.toThrow(
      /createHashGrid: bytes of a table of \d+ entries must be at most the \d+ bytes that webgpu .* binds: use a smaller/,
    )
  })
})
