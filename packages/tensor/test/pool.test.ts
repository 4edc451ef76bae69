import { DeviceUnavailableError, DisposedError, KernelError } from '@clipgstream/tensor'
import { createWasmDevice, WasmDevice } from '@clipgstream/tensor/wasm'
import { describe, expect, it } from 'vitest'

const primitives = new URL('../dist/kernels/primitives.wasm', import.meta.url)
const selftest = new URL('../dist/kernels/selftest.wasm', import.meta.url)

describe('loading modules', () => {
  it('takes several at once, while others are loaded and launched', async () => {
    using device = await createWasmDevice({ threads: 3 })
    using numbers = device.zeros([64], 'u32')
    const urls = Array.from({ length: 6 }, (_, i) => new URL(`${selftest.href}?copy=${i}`))
    const first = await device.load(selftest)
    const loads = [device.load(primitives), ...urls.map((url) => device.load(url))]
    device.launch(first.kernel('count'), 64, numbers)
    const modules = (await Promise.all(loads)).slice(1)
    for (const module of modules) device.launch(module.kernel('count'), 64, numbers)
    expect([...(await numbers.read())]).toEqual(new Array(64).fill(7))
  })

  it('loads a module once', async () => {
    using device = await createWasmDevice({ threads: 2 })
    expect(device.load(primitives)).toBe(device.load(new URL(primitives)))
  })

  it('says which module is missing or broken, and can try again', async () => {
    using device = await createWasmDevice({ threads: 2 })
    const missing = new URL('missing.wasm', primitives)
    await expect(device.load(missing)).rejects.toThrow(/missing.wasm: the module could not be loaded: ENOENT/)
    await expect(device.load(missing)).rejects.toThrow(KernelError)
    await expect(device.load(new URL(import.meta.url))).rejects.toThrow(/could not be loaded: WebAssembly.compile/)
    expect((await device.load(primitives)).kernel('sumBlocks').arity).toBe(4)
  })
})

describe.each([1, 2, 3])('a kernel that traps, %i threads', (threads) => {
  it('fails its launch and leaves the pool usable', async () => {
    using device = await createWasmDevice({ threads })
    const module = await device.load(selftest)
    using numbers = device.zeros([100], 'u32')
    for (let chunk = 0; chunk < 100; chunk++) {
      expect(() => device.launch(module.kernel('trap'), 100, chunk)).toThrow(/^kernel trap: unreachable$/)
    }
    expect(() => device.launch(module.kernel('trap'), 100, -1)).toThrow(KernelError)
    expect(() => device.launch(module.kernel('outside'), 8)).toThrow(/out of bounds/)
    device.launch(module.kernel('count'), 100, numbers)
    expect([...(await numbers.read())]).toEqual(new Array(100).fill(1))
  })
})

describe('threads', () => {
  it('two devices in one process do not mix', async () => {
    using a = await createWasmDevice({ threads: 2 })
    using b = await createWasmDevice({ threads: 2 })
    const [onA, onB] = await Promise.all([a.load(selftest), b.load(selftest)])
    using numbersA = a.zeros([10], 'u32')
    using numbersB = b.zeros([10], 'u32')
    a.launch(onA.kernel('count'), 10, numbersA)
    b.launch(onB.kernel('count'), 5, numbersB)
    expect([...(await numbersA.read())]).toEqual(new Array(10).fill(1))
    expect([...(await numbersB.read())]).toEqual([1, 1, 1, 1, 1, 0, 0, 0, 0, 0])
    expect(() => a.launch(onB.kernel('count'), 1, numbersA)).toThrowErrorMatchingInlineSnapshot(
      `[KernelError: kernel count: was loaded by another device; load its module on this one]`,
    )
    expect(() => a.launch(onA.kernel('count'), 1, numbersB)).toThrowErrorMatchingInlineSnapshot(
      `[WrongDeviceError: wasm: tensor lives on wasm (2 threads), but the operator runs on wasm (2 threads); copy it with device.from(await tensor.read(), shape)]`,
    )
  })

  it('ends once, and says so afterwards', async () => {
    const device = await createWasmDevice({ threads: 2 })
    const module = await device.load(selftest)
    const numbers = device.zeros([1], 'u32')
    const late = device.load(primitives)
    late.catch(() => {})
    device.dispose()
    device.dispose()
    await expect(late).rejects.toThrow(/could not be loaded/)
    expect(() => device.launch(module.kernel('count'), 1, numbers)).toThrow(DisposedError)
    expect(() => device.empty([1])).toThrow(DisposedError)
    numbers.dispose()
    expect(device.bytesInUse).toBe(0)
  })

  it.each([
    ['throws', { ask: () => Promise.reject(new Error('blocked by policy')), terminate() {} }],
    ['answers with a problem', { ask: async () => ({ problem: 'no SIMD' }), terminate() {} }],
  ])('a worker that %s makes the device unavailable', async (_, worker) => {
    using model = await createWasmDevice({ threads: 1 })
    const { cores, canShare, canBlock, readBytes } = model.host
    const host = { cores, canShare, canBlock, readBytes, startWorker: () => worker }
    const created = WasmDevice.create(host, { threads: 3 })
    await expect(created).rejects.toThrow(DeviceUnavailableError)
    await expect(created).rejects.toThrow(
      /^device wasm is not available: one of its 2 worker threads did not start: .+\. Use threads: 1$/,
    )
  })

  it('rejects chunk counts that are no counts', async () => {
    using device = await createWasmDevice({ threads: 2 })
    const module = await device.load(selftest)
    using numbers = device.zeros([1], 'u32')
    expect(() => device.launch(module.kernel('count'), Number.NaN, numbers)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: kernel count: chunks must be an integer in [0, 2^30), got NaN]`,
    )
    expect(() => device.launch(module.kernel('count'), -1, numbers)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: kernel count: chunks must be an integer in [0, 2^30), got -1]`,
    )
    device.launch(module.kernel('count'), 0, numbers)
    expect([...(await numbers.read())]).toEqual([0])
  })
})
