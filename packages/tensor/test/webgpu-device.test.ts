import { ArgumentError, DeviceUnavailableError } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { freshWebgpu, selftest, webgpuForTests } from './webgpu-device.js'

const shared = await webgpuForTests()
const sharedModule = await shared?.load(selftest)

/** What the tests below run with. */
function here() {
  if (!shared || !sharedModule) throw new Error('these tests need an adapter')
  return { gpu: shared, module: sharedModule }
}

/** What `work` throws, the same on every adapter. */
function messageOf(work: () => void): string {
  try {
    work()
  } catch (error) {
    return error instanceof Error ? error.message.replaceAll(/webgpu \([^)]*\)/g, 'webgpu') : String(error)
  }
  return 'nothing was thrown'
}

describe.skipIf(!shared)('the webgpu device', () => {
  afterEach(() => expect(here().gpu.bytesInUse).toBe(0))
  afterAll(() => here().gpu.dispose())

  describe('memory', () => {
    it('copies every element type there and back', async () => {
      const { gpu } = here()
      using _ = gpu.scope()
      for (const data of [
        Float32Array.of(1, -0, Number.NaN, 3e-45),
        Int32Array.of(-1, 2 ** 31 - 1),
        Uint32Array.of(7),
        Uint16Array.of(1, 2, 65535),
        Uint8Array.of(1, 2, 3, 4, 255),
      ]) {
        expect(await gpu.from(data).read()).toEqual(data)
      }
    })

    it('writes and reads parts that are no whole words, and leaves their neighbours alone', async () => {
      const { gpu } = here()
      using bytes = gpu.from(Uint8Array.from({ length: 23 }, (_, i) => i))
      const expected = Uint8Array.from({ length: 23 }, (_, i) => i)
      for (const [offset, length] of [
        [0, 4],
        [1, 1],
        [3, 2],
        [5, 11],
        [20, 3],
        [7, 0],
        [6, 17],
      ] as const) {
        const data = Uint8Array.from({ length }, (_, i) => 100 + offset + i)
        gpu.write(bytes, data, offset)
        expected.set(data, offset)
        expect(await bytes.read()).toEqual(expected)
        expect(await gpu.read(bytes, offset, length)).toEqual(data)
      }
      using halves = gpu.zeros([5], 'f16')
      gpu.write(halves, Uint16Array.of(1, 2), 1)
      expect([...(await halves.read())]).toEqual([0, 1, 2, 0, 0])
    })

    it('fills and copies in the order of the program, whatever was read late', async () => {
      const { gpu } = here()
      using a = gpu.empty([3])
      using b = gpu.zeros([3])
      gpu.fill(a, 1)
      const first = a.read()
      gpu.copy(a, b)
      gpu.write(a, Float32Array.of(5), 1)
      const second = a.read()
      gpu.fill(a, -2)
      expect([...(await first)]).toEqual([1, 1, 1])
      expect([...(await second)]).toEqual([1, 5, 1])
      expect([...(await a.read())]).toEqual([-2, -2, -2])
      expect([...(await b.read())]).toEqual([1, 1, 1])
      using bytes = gpu.empty([5], 'u8')
      gpu.fill(bytes, 300)
      expect([...(await bytes.read())]).toEqual([44, 44, 44, 44, 44])
      using halves = gpu.empty([3], 'f16')
      gpu.fill(halves, 1)
      expect([...(await halves.read())]).toEqual([0x3c00, 0x3c00, 0x3c00])
    })

    it('uploads more than a segment of the ring', async () => {
      const { gpu } = here()
      const data = Uint32Array.from({ length: (5 << 20) / 4 + 3 }, (_, i) => i)
      using tensor = gpu.from(data)
      expect(Buffer.compare(Buffer.from((await tensor.read()).buffer), Buffer.from(data.buffer))).toBe(0)
    })

    it('has tensors without elements', async () => {
      const { gpu, module } = here()
      using none = gpu.from(new Float32Array(0), [0, 3])
      using other = gpu.zeros([0])
      expect((await none.read()).length).toBe(0)
      gpu.fill(none, 3)
      gpu.copy(other, other)
      using words = gpu.zeros([64], 'u32')
      gpu.launch(module.kernel('sized'), 0, {}, { words })
      gpu.launch(module.kernel('sized'), [3, 0], {}, { words })
      expect((await words.read())[0]).toBe(0)
    })

    it('poisons what is new, also behind the last element', async () => {
      const { gpu } = here()
      using values = gpu.empty([5])
      expect([...(await values.read())].every(Number.isNaN)).toBe(true)
    })

    it('uses buffers again, counts bytes, and gives them back', async () => {
      using own = await freshWebgpu()
      const { gpu } = own
      const before = gpu.bytesInUse
      const create = vi.spyOn(gpu.gpu, 'createBuffer')
      for (let i = 0; i < 3; i++) {
        using tensor = gpu.empty([1000])
        expect(gpu.bytesInUse - before).toBe(4096)
        expect(tensor.byteLength).toBe(4000)
      }
      expect(create.mock.calls.filter(([{ size }]) => size === 4096)).toHaveLength(1)
      gpu.trim()
      using again = gpu.from(Float32Array.of(3), [1], 'after')
      expect([...(await again.read())]).toEqual([3])
      using _ = gpu.empty([1000])
      expect(create.mock.calls.filter(([{ size }]) => size === 4096)).toHaveLength(2)
      expect(gpu.peakBytes).toBeGreaterThanOrEqual(before + 4096)
    })

    it('refuses what it cannot hold, with the numbers', async () => {
      using own = await freshWebgpu({ memoryLimit: 1 << 20 })
      const { gpu } = own
      const { maxBufferSize, maxStorageBufferBindingSize } = gpu.limits
      const limit = Math.floor(Math.min(maxBufferSize, maxStorageBufferBindingSize) / 256) * 256
      expect(messageOf(() => gpu.empty([limit], 'f32', 'anchors'))).toBe(
        `tensor anchors has ${4 * limit} bytes, a buffer of device webgpu at most ${limit}. ` +
          'Cut it in pieces, use a smaller preset or another device',
      )
      {
        using _kept = gpu.empty([200_000])
      }
      // What is kept makes room.
      using _other = gpu.empty([230_000])
      expect(messageOf(() => gpu.empty([100_000]))).toMatchInlineSnapshot(
        `"device webgpu is out of memory: asked for 425984 bytes, in use 983040 bytes of 1.0 MiB, largest free block 65536 bytes. Use a smaller preset, fewer anchors or a smaller image"`,
      )
      expect(() => gpu.empty([-1])).toThrow(ArgumentError)
    })
  })

  describe('launches', () => {
    it('lays out settings as WGSL does', async () => {
      const { gpu, module } = here()
      const sequence = (length: number, first: number) => Array.from({ length }, (_, i) => first + i)
      using words = gpu.zeros([42], 'u32')
      gpu.launch(
        module.kernel('copySettings'),
        1,
        {
          count: 2 ** 32 - 1,
          offset: -5,
          scale: 0.5,
          two: [1, 2],
          three: Float32Array.of(3, 4, 5),
          last: true,
          square: sequence(9, 10),
          pose: Float64Array.from(sequence(12, 20)),
          narrow: sequence(4, 40),
          list: sequence(8, -4),
        },
        { words },
      )
      const data = await words.read()
      const floats = new Float32Array(data.buffer)
      expect(data[0]).toBe(2 ** 32 - 1)
      expect(data[8]).toBe(1)
      expect([...new Int32Array(data.buffer, 4, 1)]).toEqual([-5])
      expect([...floats.subarray(2, 8)]).toEqual([0.5, 1, 2, 3, 4, 5])
      expect([...floats.subarray(9, 34)]).toEqual([...sequence(9, 10), ...sequence(12, 20), ...sequence(4, 40)])
      expect([...new Int32Array(data.buffer, 4 * 34, 8)]).toEqual(sequence(8, -4))
    })

    it('spreads more than 65,535 workgroups, by a number and by a count on the device', async () => {
      const { gpu, module } = here()
      const countGroups = module.kernel('countGroups')
      using groups = gpu.zeros([2], 'u32')
      gpu.launch(countGroups, 70_001, { limit: 70_001 }, { groups })
      expect([...(await groups.read())]).toEqual([70_001, 70_000])
      using count = gpu.from(Uint32Array.of(60_000))
      using grid = gpu.gridOf(count, 2, 50_003, 3)
      expect([...(await grid.read())]).toEqual([37_503, 2, 1])
      gpu.fill(groups, 0)
      gpu.launch(countGroups, { indirect: grid }, { limit: 3 * 25_002 }, { groups })
      expect([...(await groups.read())]).toEqual([75_006, 75_005])
      gpu.fill(count, 0)
      using none = gpu.gridOf(count, 256, 1000)
      gpu.fill(groups, 0)
      gpu.launch(countGroups, { indirect: none }, { limit: 9 }, { groups })
      expect([...(await groups.read())]).toEqual([0, 0])
    })

    it('keeps the settings of each of many launches that are submitted together', async () => {
      const { gpu, module } = here()
      const countGroups = module.kernel('countGroups')
      using groups = gpu.zeros([2], 'u32')
      // More than the uniforms of one submission.
      for (let i = 0; i < 1100; i++) gpu.launch(countGroups, 2, { limit: i % 3 }, { groups })
      expect((await groups.read())[0]).toBe(1099)
    })

    it('takes the variant of its features, constants, and nothing for a tensor that is not touched', async () => {
      const { gpu, module } = here()
      using words = gpu.zeros([32], 'u32')
      gpu.launch(module.kernel('variant'), 1, {}, { words })
      const flags = [gpu.features.has('subgroups'), gpu.features.has('shader-f16')].map(Number)
      expect([...(await gpu.read(words, 0, 2))]).toEqual(flags)
      const plain = await gpu.load(selftest, ['subgroups', 'shader-f16'])
      expect(plain.flags).toEqual([])
      gpu.launch(plain.kernel('variant'), 1, {}, { words })
      expect([...(await gpu.read(words, 0, 2))]).toEqual([0, 0])
      gpu.launch(module.kernel('sized', { size: 8 }), 1, {}, { words })
      expect([...(await gpu.read(words, 7, 2))]).toEqual([8, 0])
      using floats = gpu.from(Float32Array.of(1, 2, 3, 4))
      using second = gpu.from(Float32Array.of(10, 20, 30, 40))
      gpu.launch(module.kernel('addSecond'), 1, { present: 1 }, { second, floats })
      gpu.launch(module.kernel('addSecond'), 1, { present: 0 }, { second: null, floats })
      expect([...(await floats.read())]).toEqual([12, 23, 34, 45])
    })

    it('tells NaN and infinities in shaders', async () => {
      const { gpu, module } = here()
      using second = gpu.from(Float32Array.of(1, Number.NaN, Number.NEGATIVE_INFINITY, 1e-45))
      using words = gpu.empty([4], 'u32')
      gpu.launch(module.kernel('bits'), 1, {}, { second, words })
      expect([...(await words.read())]).toEqual([1, 2, 0, 1])
    })

    it('says what is missing, unknown or of the wrong type', async () => {
      const { gpu, module } = here()
      using words = gpu.zeros([64], 'u32', 'result')
      using floats = gpu.zeros([64])
      const [addSecond, countGroups] = [module.kernel('addSecond'), module.kernel('countGroups')]
      const problem = (work: () => void) => expect(messageOf(work))
      problem(() => gpu.launch(addSecond, 1, { present: 1 }, { floats })).toMatchInlineSnapshot(
        `"kernel selftest.addSecond: the tensor second is missing (it takes second, floats)"`,
      )
      problem(() => gpu.launch(countGroups, 1, { limit: 1 }, { groups: words, other: words })).toMatchInlineSnapshot(
        `"kernel selftest.countGroups: there is no binding other (it takes groups)"`,
      )
      problem(() => gpu.launch(addSecond, 1, { present: 1 }, { second: words, floats })).toMatchInlineSnapshot(
        `"selftest.addSecond: second must be f32, got u32"`,
      )
      problem(() => gpu.launch(countGroups, 1, {}, { groups: words })).toMatchInlineSnapshot(
        `"kernel selftest.countGroups: the setting limit is missing"`,
      )
      problem(() => gpu.launch(countGroups, 1, { limit: 1, most: 2 }, { groups: words })).toMatchInlineSnapshot(
        `"kernel selftest.countGroups: there is no setting most (it takes limit)"`,
      )
      problem(() => gpu.launch(countGroups, 1, { limit: -1 }, { groups: words })).toMatchInlineSnapshot(
        `"selftest.countGroups: limit must be an integer in [0, 4294967295], got -1"`,
      )
      problem(() => gpu.launch(countGroups, 1, { limit: [1, 2] }, { groups: words })).toMatchInlineSnapshot(
        `"selftest.countGroups: limit must be one number, got 2 numbers"`,
      )
      problem(() => gpu.launch(countGroups, [65_536, 1], { limit: 1 }, { groups: words })).toMatchInlineSnapshot(
        `"selftest.countGroups: workgroups must be integers in [0, 65535], got [65536, 1, 1]"`,
      )
      problem(() => gpu.launch(addSecond, 1, { present: 1 }, { second: floats, floats })).toMatchInlineSnapshot(
        `"kernel selftest.addSecond: second and floats are one tensor, and the kernel writes it"`,
      )
      problem(() =>
        gpu.launch(countGroups, { indirect: words }, { limit: 1 }, { groups: words }),
      ).toMatchInlineSnapshot(`"selftest.countGroups: indirect must be u32 [3], got u32 [64]"`)
      expect(() => module.kernel('mesure')).toThrow(ArgumentError)
      problem(() => module.kernel('sized', { width: 3 })).toMatchInlineSnapshot(
        `"selftest.sized: constants must be among its overrides (size), got width"`,
      )
      using wasm = await createWasmDevice({ threads: 1 })
      using there = wasm.zeros([64], 'u32', 'elsewhere')
      problem(() => gpu.launch(countGroups, 1, { limit: 1 }, { groups: there })).toMatchInlineSnapshot(
        `"webgpu: elsewhere lives on wasm (1 thread), but the operator runs on webgpu; copy it with device.from(await tensor.read(), shape)"`,
      )
      await expect(gpu.load(new URL('../dist/kernels/none.wgsl.json', import.meta.url))).rejects.toThrow(
        DeviceUnavailableError,
      )
      await gpu.synchronize()
    })

    it('makes nothing new when an iteration repeats', async () => {
      const { gpu, module } = here()
      const [countGroups, addSecond] = [module.kernel('countGroups'), module.kernel('addSecond')]
      const created = { buffers: vi.spyOn(gpu.gpu, 'createBuffer'), groups: vi.spyOn(gpu.gpu, 'createBindGroup') }
      using sums = gpu.zeros([4])
      const iterate = (i: number) => {
        using _ = gpu.scope()
        const rate = gpu.from(Float32Array.of(1, 2, 3, i))
        const groups = gpu.zeros([2], 'u32')
        gpu.launch(countGroups, 3, { limit: i % 4 }, { groups })
        gpu.launch(addSecond, 1, { present: 1 }, { second: rate, floats: sums })
      }
      const counts: number[] = []
      for (let i = 0; i < 1000; i++) {
        iterate(i)
        if (i % 100 === 99) {
          await gpu.synchronize()
          counts.push(created.buffers.mock.calls.length + created.groups.mock.calls.length)
        }
      }
      expect(new Set(counts.slice(1)).size).toBe(1)
      expect([...(await sums.read())]).toEqual([1000, 2000, 3000, 499_500])
      created.buffers.mockRestore()
      created.groups.mockRestore()
    })

    it.skipIf(!shared?.features.has('timestamp-query'))('measures kernels', async () => {
      const { gpu, module } = here()
      using words = gpu.zeros([64], 'u32')
      const work = () => {
        for (let i = 0; i < 3; i++) gpu.launch(module.kernel('sized'), 1, {}, { words })
        gpu.launch(module.kernel('variant'), 1, {}, { words })
      }
      const times = await gpu.profile(work)
      expect(times.map(({ kernel, launches }) => `${kernel} ${launches}`).sort()).toEqual([
        'selftest.sized 3',
        'selftest.variant 1',
      ])
      expect(times.every(({ milliseconds }) => milliseconds >= 0)).toBe(true)
      expect(await gpu.time(work)).toBeGreaterThan(0)
    })
  })
})
