// The cuda device on a real GPU; without one everything here is skipped.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { createRandom, DTypeError, OutOfMemoryError, ShapeError, type Tensor } from '@clipgstream/tensor'
import {
  type CudaDevice,
  type CudaModule,
  type CudaPrimitives,
  createCudaDevice,
  createCudaPrimitives,
} from '@clipgstream/tensor/cuda'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { whyNoCuda } from './devices.js'

const run = promisify(execFile)
const dist = new URL('../dist/', import.meta.url)
const missing = await whyNoCuda()
if (missing) console.warn(`test/cuda.test.ts is skipped: ${missing}`)

describe.skipIf(missing)('cuda', () => {
  let device: CudaDevice
  let module: CudaModule
  let primitives: CudaPrimitives

  beforeEach(async () => {
    device = await createCudaDevice({ poison: true })
    module = await device.load(new URL('kernels/selftest.fatbin', dist))
    primitives = await createCudaPrimitives(device)
  })

  afterEach(() => {
    expect(device.bytesInUse).toBe(0)
    device.dispose()
  })

  /** Keeps the GPU busy for about that long. */
  const spin = (milliseconds: number, value: Tensor<'u32'>) =>
    device.launch(module.kernel('spin', 'pu'), { grid: 1, block: 1 }, value, Math.round(milliseconds * 1.7e6))

  it('has the properties of a GPU', () => {
    console.log(device.label, device.computeCapability, device.multiprocessors, device.sharedBytesLimit, device.memory)
    expect(device.computeCapability).toBeGreaterThanOrEqual(75)
    expect(device.multiprocessors).toBeGreaterThan(0)
    expect(device.sharedBytesLimit).toBeGreaterThanOrEqual(48 << 10)
  })

  it('moves large and small data there and back', async () => {
    const random = createRandom(1)
    for (const size of [0, 1, 3, 16384, 16385, (4 << 20) + 1, 100 << 20]) {
      const data = new Uint8Array(size)
      for (let i = 0; i < size; i += 1 + (i >> 6)) data[i] = random.integer(256)
      using tensor = device.from(data)
      expect(Buffer.compare(await tensor.read(), data)).toBe(0)
    }
    using part = device.zeros([10], 'i32')
    device.write(part, Int32Array.of(-1, 5), 3)
    expect([...(await device.read(part, 2, 4))]).toEqual([0, -1, 5, 0])
  })

  it('fills every dtype', async () => {
    using f32 = device.empty([5])
    using f16 = device.empty([5], 'f16')
    using i32 = device.empty([5], 'i32')
    using u8 = device.empty([5], 'u8')
    expect([...(await u8.read())]).toEqual(Array(5).fill(255))
    for (const [tensor, value] of [
      [f32, -1.5],
      [f16, 1],
      [i32, -7],
      [u8, 200],
    ] as const)
      device.fill(tensor, value)
    expect([...(await f32.read())]).toEqual(Array(5).fill(-1.5))
    expect([...(await f16.read())]).toEqual(Array(5).fill(0x3c00))
    expect([...(await i32.read())]).toEqual(Array(5).fill(-7))
    expect([...(await u8.read())]).toEqual(Array(5).fill(200))
  })

  it('passes arguments as they are declared', async () => {
    using output = device.empty([7], 'u32')
    const echo = module.kernel('echo', 'pidufpp')
    device.launch(echo, { grid: 1, block: 1 }, null, -2, 0.1, 2 ** 32 - 1, 0.5, 2 ** 40 + 3, output)
    expect([...(await output.read())]).toEqual([1, 2 ** 32 - 2, 1, 2 ** 32 - 1, 0x3f000000, 3, 256])
    expect(() => module.kernel('echo', 'piduff')).toThrow(/argument 5/)
    expect(() => module.kernel('nothing', 'p')).toThrow(/one|function/)
    expect(() => device.launch(echo, { grid: 1, block: 2048 }, null, 0, 0, 0, 0, 0, output)).toThrow(/echo/)
  })

  it('gives a block more shared memory than the default', async () => {
    const n = device.sharedBytesLimit / 4
    using values = device.from(Float32Array.from({ length: n }, (_, i) => i))
    const reverse = module.kernel('reverseInBlock', 'pu')
    device.launch(reverse, { grid: 1, block: 1024, sharedBytes: 4 * n }, values, n)
    expect(await values.read()).toEqual(Float32Array.from({ length: n }, (_, i) => n - 1 - i))
  })

  it('has the reductions, counters and atomics that kernels share', async () => {
    const x = Float32Array.of(0, 1, -1, 3.3, 20, -20, 87.5, -87.5, 100, -100, Number.POSITIVE_INFINITY, -1 / 0)
    using values = device.from(x)
    using sums = device.empty([1])
    device.launch(module.kernel('sigmoids', 'pup'), { grid: 1, block: 256 }, values, x.length, sums)
    const expected = x.map((v) => 1 / (1 + Math.exp(-v)))
    for (const [i, y] of (await values.read()).entries()) expect(Math.abs(y - expected[i]!)).toBeLessThan(3e-7)
    expect((await sums.read())[0]).toBeCloseTo(
      expected.reduce((a, b) => a + b),
      5,
    )

    const random = createRandom(2)
    const numbers = Float32Array.from({ length: 100_000 }, () => random.uniform())
    using input = device.from(numbers)
    using count = device.from(Uint32Array.of(70_000))
    using picked = device.empty([10_000], 'u32')
    using pickedCount = device.zeros([1], 'u32')
    const pick = module.kernel('pickAbove', 'ppufppu')
    device.launch(pick, { grid: 20, block: 256 }, input, count, 100_000, 0.9, picked, pickedCount, 10_000)
    const wanted = [...numbers.subarray(0, 70_000).entries()].filter(([, v]) => v > Math.fround(0.9)).map(([i]) => i)
    expect((await pickedCount.read())[0]).toBe(wanted.length)
    expect([...(await picked.read()).subarray(0, wanted.length)].sort((a, b) => a - b)).toEqual(wanted)

    using rows = device.zeros([7, 4])
    device.launch(module.kernel('scatter', 'puu'), { grid: 30, block: 256 }, rows, 7, 70_000)
    expect([...(await rows.read())]).toEqual(Array.from({ length: 28 }, (_, i) => 10_000 * ((i % 4) + 1)))
  })

  it('does not block the event loop while it waits', async () => {
    using value = device.zeros([1], 'u32')
    spin(1, value)
    await device.synchronize()
    let ticks = 0
    const timer = setInterval(() => ticks++, 5)
    const milliseconds = await device.time(() => spin(300, value))
    clearInterval(timer)
    expect(milliseconds).toBeGreaterThan(50)
    expect(ticks).toBeGreaterThan(5)
    expect((await value.read())[0]).toBe(2)
  })

  it('reads what was there when it was asked, before later work', async () => {
    using value = device.zeros([1], 'u32')
    const reads = [0, 1, 2].map(() => {
      spin(5, value)
      return value.read()
    })
    const big = device.from(new Uint8Array(20 << 20).fill(3))
    const early = big.read()
    device.fill(big, 9)
    big.dispose()
    using _reused = device.zeros([20 << 20], 'u8')
    expect((await Promise.all(reads)).map(([count]) => count)).toEqual([1, 2, 3])
    expect((await early).every((byte) => byte === 3)).toBe(true)
  })

  it('repeats captured work, the primitives too', async () => {
    using values = device.from(Float32Array.from({ length: 1000 }, (_, i) => i))
    using total = device.zeros([1])
    const scale = module.kernel('scale', 'puf')
    const step = () => {
      using _ = device.scope()
      device.launch(scale, { grid: 4, block: 256 }, values, 1000, 2)
      device.copy(primitives.sum(values), total)
    }
    step()
    using graph = device.capture(step)
    const { bytesInUse } = device
    for (let i = 0; i < 5; i++) graph.launch()
    expect((await total.read())[0]).toBe(499_500 * 2 ** 6)
    expect(device.bytesInUse).toBe(bytesInUse)
    const times = await device.profile(step)
    expect(times.map(({ kernel }) => kernel).sort()).toEqual(['cgs_sum_f32', 'scale'])
  })

  it('a fork runs beside, a join waits for it', async () => {
    using a = device.zeros([1], 'u32')
    using b = device.zeros([1], 'u32')
    const both = () => {
      const fork = device.fork(() => spin(30, a))
      spin(30, b)
      fork.join()
    }
    both()
    await device.synchronize()
    const alone = await device.time(() => spin(30, b))
    const together = await device.time(both)
    expect(together).toBeLessThan(1.6 * alone)
    using graph = device.capture(both)
    graph.launch()
    expect([(await a.read())[0], (await b.read())[0]]).toEqual([3, 4])
  })

  it('says how much memory was asked for, is used and free, and goes on', async () => {
    const { free } = device.memory
    expect(() => device.empty([2 ** 42])).toThrow(OutOfMemoryError)
    expect(() => device.empty([2 ** 42], 'u8')).toThrow(/asked for .* MiB, in use .* of .* MiB/)
    using half = device.empty([Math.floor(free / 2)], 'u8')
    expect(half.disposed).toBe(false)
    expect(device.memory.free).toBeLessThan(0.6 * free)
  })

  it('gives everything back when it is disposed', async () => {
    const before = device.memory.free
    for (let i = 0; i < 5; i++) {
      using other = await createCudaDevice()
      other.from(new Uint8Array(256 << 20))
      await other.synchronize()
    }
    expect(device.memory.free).toBeGreaterThan(before - (64 << 20))
  })

  it('a kernel that writes out of bounds is reported, and named on request', async () => {
    const source = `
      import { createCudaDevice } from '${new URL('cuda/index.js', dist)}'
      const device = await createCudaDevice()
      const module = await device.load(new URL('${new URL('kernels/selftest.fatbin', dist)}'))
      const value = device.zeros([1], 'u32')
      try {
        device.launch(module.kernel('writeNowhere', 'p'), { grid: 1, block: 1 }, value)
        await value.read()
      } catch (error) { console.log(error.name + ': ' + error.message) }
      device.dispose()`
    const program = async (blocking: string) => {
      const env = { ...process.env, CLIPGSTREAM_CUDA_BLOCKING: blocking }
      const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', source], { env })
      return stdout
    }
    expect(await program('0')).toMatch(/^CudaError: .*CUDA_ERROR_ILLEGAL_ADDRESS/)
    expect(await program('1')).toMatch(/^KernelError: kernel writeNowhere: .*CUDA_ERROR_ILLEGAL_ADDRESS/)
  })

  it('two devices of one GPU live side by side', async () => {
    using other = await createCudaDevice()
    using a = device.from(Float32Array.of(1))
    using b = other.from(Float32Array.of(2))
    expect(() => device.copy(a, b)).toThrow(/lives on/)
    expect([(await a.read())[0], (await b.read())[0]]).toEqual([1, 2])
  })

  it.each([0, 1, 1000, 300_001])('primitives that only CUB has, over %i elements', async (n) => {
    const random = createRandom(n)
    const low = Uint32Array.from({ length: n }, () => random.integer(2 ** 32))
    const high = Uint32Array.from({ length: n }, () => random.integer(50))
    const flags = Uint8Array.from({ length: n }, () => random.integer(3))
    using keys = device.from(
      Uint32Array.from({ length: 2 * n }, (_, i) => (i % 2 === 0 ? low : high)[i >> 1]!),
      [n, 2],
    )
    using values = device.from(Uint32Array.from(low.keys()))
    using flag = device.from(flags)
    using _ = device.scope()
    const order = [...low.keys()].sort((a, b) => high[a]! - high[b]! || low[a]! - low[b]! || a - b)
    expect([...(await primitives.sortWidePairs(keys, values).values.read())]).toEqual(order)
    const byHigh = [...low.keys()].sort((a, b) => high[a]! - high[b]! || a - b)
    const to = { keys: device.zeros([n, 2], 'u32'), values: device.zeros([n], 'u32') }
    primitives.sortPairsInto({ keys, values }, to, { firstBit: 32, endBit: 38 })
    expect([...(await to.values.read())]).toEqual(byHigh)
    const half = { keys: device.zeros([n, 2], 'u32'), values: device.zeros([n], 'u32') }
    primitives.sortPairsInto({ keys, values }, half, { count: n >> 1 })
    const { length } = [...(await half.values.read())].filter((value) => value !== 0)
    expect(length).toBe(Math.max(0, (n >> 1) - 1))
    const set = [...flags.keys()].filter((i) => flags[i] !== 0)
    const selected = primitives.selectIndices(flag)
    expect((await selected.count.read())[0]).toBe(set.length)
    expect([...(await selected.indices.read()).subarray(0, set.length)]).toEqual(set)
    using named = device.from(low)
    const flagged = primitives.selectFlagged(named, flag)
    expect((await flagged.count.read())[0]).toBe(set.length)
    expect([...(await flagged.values.read()).subarray(0, set.length)]).toEqual(set.map((i) => low[i]))
    const offsets = device.zeros([n + 5], 'u32')
    primitives.exclusiveScanInto(named, offsets, n >> 1)
    const sum = low.subarray(0, n >> 1).reduce((total, word) => (total + word) >>> 0, 0)
    expect((await offsets.read())[n >> 1]).toBe(sum)
  })

  it('primitives say what does not fit', () => {
    using keys = device.zeros([4], 'u32')
    using values = device.zeros([3], 'u32')
    expect(() => primitives.sortPairs(keys, values)).toThrow(ShapeError)
    expect(() => primitives.sortPairsInto({ keys, values: keys }, { keys, values: keys })).toThrow(/other tensors/)
    expect(() => primitives.exclusiveScanInto(keys, values, 3)).toThrow(/count/)
    // @ts-expect-error: wrong dtype
    expect(() => primitives.selectIndices(keys)).toThrow(DTypeError)
    expect(device.bytesInUse).toBe(1024)
  })
})
