import { ArgumentError, createRandom, DisposedError, OutOfMemoryError } from '@clipgstream/tensor'
import { CudaDevice, CudaError } from '@clipgstream/tensor/cuda'
import { describe, expect, it } from 'vitest'
import { device, gpu } from './fake-device.js'

// Memory of the device over a GPU that is only imagined. test/cuda.test.ts repeats what matters on a real one.

describe('memory', () => {
  it('says what GPU it is', () => {
    expect(device.label).toBe('cuda:0 (Imaginary 1)')
    expect([device.computeCapability, device.multiprocessors, device.sharedBytesLimit]).toEqual([90, 4, 232448])
    expect(() => new CudaDevice(gpu.driver, { index: 2 })).toThrowErrorMatchingInlineSnapshot(
      `[DeviceUnavailableError: device cuda:2 is not available: this machine has 2 GPUs, counted from 0. nvidia-smi -L lists them]`,
    )
    expect(device.memory).toEqual({ free: 64 << 20, total: 64 << 20 })
  })

  it('gives reads and waits that are pending their end when it is disposed', async () => {
    const values = Float32Array.from({ length: 40_000 }, (_, i) => i)
    const [small, large] = [device.from(values.subarray(0, 3)), device.from(values)]
    device.fill(small, 7)
    const reads = [device.read(small), device.read(large)]
    const waits = [device.synchronize(), device.time(() => device.fill(small, 8)).catch(() => 'no time')]
    expect(gpu.pending).toBeGreaterThan(0)
    device.dispose()
    expect(await Promise.all(reads)).toEqual([Float32Array.of(7, 7, 7), values])
    expect(await Promise.all(waits)).toEqual([undefined, 'no time'])
  })

  it('lets reads that are pending fail with it', async () => {
    const reading = device.read(device.from(Float32Array.of(1)))
    gpu.failing['cuStreamSynchronize'] = 700
    device.dispose()
    await expect(reading).rejects.toThrow('cuStreamSynchronize returned CUDA_ERROR_ILLEGAL_ADDRESS (700)')
  })

  it('moves every dtype there and back, in parts', async () => {
    using a = device.from(Float32Array.of(1, -2, 3.5, Number.NaN), [2, 2], 'a')
    using b = device.from(Uint8Array.of(1, 2, 3))
    using c = device.from(Int32Array.of(-1, 2 ** 31 - 1))
    using d = device.from(Uint16Array.of(0x3c00))
    expect(await Promise.all([a.read(), b.read(), c.read(), d.read()])).toEqual([
      Float32Array.of(1, -2, 3.5, Number.NaN),
      Uint8Array.of(1, 2, 3),
      Int32Array.of(-1, 2 ** 31 - 1),
      Uint16Array.of(0x3c00),
    ])
    device.write(b, Uint8Array.of(9), 2)
    expect([...(await device.read(b, 1, 2))]).toEqual([2, 9])
    expect(() => device.write(b, Uint8Array.of(9), 3)).toThrow(ArgumentError)
    using none = device.empty([0, 4])
    expect((await none.read()).length).toBe(0)
    device.copy(none, none)
    device.fill(none, 1)
  })

  it('fills, copies and poisons', async () => {
    using fresh = device.empty([2], 'u32')
    expect([...(await fresh.read())]).toEqual([2 ** 32 - 1, 2 ** 32 - 1])
    using floats = device.zeros([3])
    device.fill(floats, 1.5)
    using halves = device.zeros([3], 'f16')
    device.fill(halves, 1)
    using integers = device.zeros([2], 'i32')
    device.fill(integers, -7)
    using bytes = device.zeros([5], 'u8')
    device.fill(bytes, 200)
    using other = device.empty([3])
    device.copy(floats, other)
    expect([...(await other.read())]).toEqual([1.5, 1.5, 1.5])
    expect([...(await halves.read())]).toEqual([0x3c00, 0x3c00, 0x3c00])
    expect([...(await integers.read())]).toEqual([-7, -7])
    expect([...(await bytes.read())]).toEqual([200, 200, 200, 200, 200])
  })

  it('uploads that outrun the GPU wait instead of overwriting', async () => {
    const random = createRandom(1)
    const tensors = Array.from({ length: 22 }, () => {
      const data = new Uint8Array(2_500_000 + random.integer(99)).fill(random.integer(256))
      return { data, tensor: device.from(data) }
    })
    expect(gpu.pinned.size).toBeLessThanOrEqual(9)
    for (const { data, tensor } of tensors) {
      expect(Buffer.compare(await tensor.read(), data)).toBe(0)
      tensor.dispose()
    }
  })

  it('small writes of many steps wait for nothing', () => {
    using camera = device.zeros([16])
    for (let step = 0; step < 1000; step++) device.write(camera, new Float32Array(16))
    expect(gpu.calls.cuEventSynchronize ?? 0).toBe(0)
    expect(gpu.pending).toBeGreaterThan(1000)
  })

  it('a read has the bytes of its place in the order of work, whatever comes later', async () => {
    const big = new Uint8Array(10 << 20).map((_, i) => i >> 8)
    const tensor = device.from(big)
    const early = tensor.read()
    device.fill(tensor, 7)
    tensor.dispose()
    using reused = device.zeros([10 << 20], 'u8')
    expect(Buffer.compare(await early, big)).toBe(0)
    expect((await reused.read()).every((byte) => byte === 0)).toBe(true)
    using small = device.zeros([1])
    const values = [0, 1, 2, 3].map((value) => {
      device.fill(small, value)
      return small.read()
    })
    expect((await Promise.all(values)).map(([value]) => value)).toEqual([0, 1, 2, 3])
  })

  it('keeps freed blocks, and gives them back when the GPU is full', () => {
    const step = () => {
      using _ = device.scope()
      for (let i = 1; i < 30; i++) device.empty([i * 1000])
    }
    step()
    const { cuMemAlloc_v2: allocations } = gpu.calls
    const { peakBytes } = device
    for (let i = 0; i < 20; i++) step()
    expect(gpu.calls.cuMemAlloc_v2).toBe(allocations)
    expect([device.bytesInUse, device.peakBytes]).toEqual([0, peakBytes])
    using _big = device.empty([63 << 20], 'u8')
    expect(gpu.live.size).toBe(1)
    expect(() => device.empty([10 << 20], 'u8')).toThrowErrorMatchingInlineSnapshot(
      `[OutOfMemoryError: device cuda:0 (Imaginary 1) is out of memory: asked for 10.0 MiB, in use 64.0 MiB of 64.0 MiB, largest free block 0 bytes. Use a smaller preset, fewer anchors or a smaller image]`,
    )
    expect(() => device.empty([2 ** 40])).toThrow(OutOfMemoryError)
    device.resetPeak()
    expect(device.peakBytes).toBe(device.bytesInUse)
  })

  it('rounds sizes up by an eighth at most', () => {
    for (const bytes of [1, 512, 513, 5000, 2 ** 20 + 1, 3 * 2 ** 20, 2 ** 25 - 1]) {
      using _ = device.empty([bytes], 'u8')
      expect(device.bytesInUse).toBeGreaterThanOrEqual(bytes)
      expect(device.bytesInUse).toBeLessThanOrEqual(Math.max(bytes * 1.125, bytes + 511))
    }
    expect(device.bytesInUse).toBe(0)
  })

  it('a random life never shares memory', async () => {
    const random = createRandom(5)
    const live: { tensor: ReturnType<typeof device.empty<'u32'>>; mark: number }[] = []
    for (let step = 1; step <= 1000; step++) {
      if (live.length > 0 && (random.uniform() < 0.5 || live.length > 50)) {
        const [one] = live.splice(random.integer(live.length), 1)
        const words = await one!.tensor.read()
        if (!words.every((word) => word === one!.mark)) expect.fail('another tensor wrote here')
        one!.tensor.dispose()
      } else {
        const tensor = device.empty([random.integer(3000)], 'u32')
        device.fill(tensor, step)
        live.push({ tensor, mark: step })
      }
    }
    for (const { tensor } of live) tensor.dispose()
    expect(device.bytesInUse).toBe(0)
  })

  it('two GPUs of one process do not mix', async () => {
    using second = new CudaDevice(gpu.driver, { index: 1 })
    const switches = () => gpu.calls.cuCtxSetCurrent ?? 0
    using a = device.from(Float32Array.of(1))
    using b = second.from(Float32Array.of(2))
    expect(() => device.copy(a, b)).toThrowErrorMatchingInlineSnapshot(
      `[WrongDeviceError: cuda: tensor lives on cuda:1 (Imaginary 1), but the operator runs on cuda:0 (Imaginary 1); copy it with device.from(await tensor.read(), shape)]`,
    )
    const before = switches()
    device.fill(a, 3)
    device.fill(a, 4)
    expect(switches() - before).toBe(1)
    expect((await b.read())[0]).toBe(2)
  })

  it('is over when it is disposed', () => {
    const tensor = device.empty([4])
    device.dispose()
    expect(() => device.empty([1])).toThrow(DisposedError)
    expect(() => device.write(tensor, Float32Array.of(1))).toThrow(DisposedError)
    tensor.dispose()
  })

  it('an error of the driver has its name and says what to do', async () => {
    using tensor = device.zeros([1])
    gpu.failing = { cuMemcpyDtoHAsync_v2: 700 }
    await expect(tensor.read()).rejects.toThrowErrorMatchingInlineSnapshot(
      `[CudaError: cuda: cuMemcpyDtoHAsync_v2 returned CUDA_ERROR_ILLEGAL_ADDRESS (700). A kernel read or wrote outside of its tensors; the GPU cannot be used any more in this process. CLIPGSTREAM_CUDA_BLOCKING=1 names the kernel, compute-sanitizer the line]`,
    )
    gpu.failing = { cuEventQuery: 700 }
    await expect(tensor.read()).rejects.toThrow(CudaError)
    gpu.failing = { cuMemAlloc_v2: 400 }
    expect(() => device.empty([1 << 20])).toThrow(/cuMemAlloc_v2 returned CUDA_ERROR_INVALID_HANDLE/)
  })
})
