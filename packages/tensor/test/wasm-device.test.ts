import { createRandom, DisposedError, KernelError, OutOfMemoryError, ShapeError } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { describe, expect, it } from 'vitest'

const primitives = new URL('../dist/kernels/primitives.wasm', import.meta.url)

const sums: number[] = []

describe.each([1, 2, 3])('wasm device with %i threads', (threads) => {
  it('runs chunks of a kernel on every thread and gives equal bytes', async () => {
    using device = await createWasmDevice({ threads, poison: true })
    const module = await device.load(primitives)
    const random = createRandom(1)
    const values = Float32Array.from({ length: 100_003 }, () => random.normal())
    using input = device.from(values)
    const chunks = Math.ceil(values.length / 1000)
    using partials = device.empty([chunks * 2], 'u32')
    using output = device.empty([1])
    for (let i = 0; i < 20; i++) {
      device.launch(module.kernel('sumBlocks'), chunks, input, partials, values.length, 1000)
      device.launch(module.kernel('sumPartials'), 1, partials, output, chunks)
    }
    const expected = values.reduce((sum, value) => sum + value, 0)
    sums.push((await output.read())[0]!)
    expect(sums.at(-1)).toBeCloseTo(expected, 3)
    expect(new Set(sums).size).toBe(1)
  })
})

describe('wasm memory', () => {
  it('knows its bytes, reuses them and scopes free temporaries', async () => {
    using device = await createWasmDevice({ threads: 1 })
    expect(device.bytesInUse).toBe(0)
    const kept = device.zeros([4, 4])
    {
      using scope = device.scope()
      device.empty([1000])
      scope.keep(device.empty([16])).dispose()
    }
    expect(device.bytesInUse).toBe(64)
    expect(device.peakBytes).toBe(64 + 4032 + 64)
    expect([...(await kept.reshape([16]).read())]).toEqual(new Array(16).fill(0))
    kept.dispose()
    expect(device.bytesInUse).toBe(0)
    await expect(kept.read()).rejects.toThrow(DisposedError)
  })

  it('says how much was asked for, in use and free when memory ends', async () => {
    using device = await createWasmDevice({ threads: 1, memoryLimit: 64 << 20 })
    using _half = device.empty([8 << 20])
    expect(() => device.empty([16 << 20])).toThrow(OutOfMemoryError)
    expect(() => device.empty([16 << 20])).toThrow(/asked for 64.0 MiB, in use 33.0 MiB of 64.0 MiB/)
    using after = device.zeros([1 << 20])
    expect(after.size).toBe(1 << 20)
  })

  it('rejects wrong shapes and wrong argument counts by name', async () => {
    using device = await createWasmDevice({ threads: 1 })
    expect(() => device.from(new Float32Array(3), [2, 2], 'means')).toThrow(ShapeError)
    const module = await device.load(primitives)
    expect(() => device.launch(module.kernel('sumBlocks'), 1, 1)).toThrow(KernelError)
    expect(() => module.kernel('sum')).toThrow(/one of .*sumBlocks/)
  })
})
