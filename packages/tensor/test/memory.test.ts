import {
  ArgumentError,
  createRandom,
  DisposedError,
  DTypeError,
  OutOfMemoryError,
  ShapeError,
} from '@clipgstream/tensor'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

let device: WasmDevice

beforeEach(async () => {
  device = await createWasmDevice({ threads: 1, memoryLimit: 64 << 20 })
})

afterEach(() => {
  expect(device.bytesInUse).toBe(0)
  device.dispose()
})

describe('allocation', () => {
  it('a long random life leaves no overlap, no loss and no fragments', () => {
    const random = createRandom(3)
    const live: { at: number; size: number; mark: number; free(): void }[] = []
    for (let step = 1; step <= 5000; step++) {
      if (live.length > 0 && (random.uniform() < 0.5 || live.length > 200)) {
        const [gone] = live.splice(random.integer(live.length), 1)
        const tensor = gone!
        const words = new Uint32Array(device.memory.buffer, tensor.at, tensor.size)
        if (!words.every((word) => word === tensor.mark)) expect.fail('another tensor wrote here')
        tensor.free()
      } else {
        const size = Math.floor(2 ** (random.uniform() * 14))
        const tensor = device.empty([size], 'u32')
        device.fill(tensor, step)
        live.push({ at: device.address(tensor), size, mark: step, free: () => tensor.dispose() })
        expect(device.address(tensor) % 64).toBe(0)
      }
    }
    for (const { free } of live) free()
    expect(device.bytesInUse).toBe(0)
    // All of it is one block again.
    using all = device.empty([(device.memory.buffer.byteLength - 65536 - device.scratchBytes) / 4])
    expect(all.size).toBeGreaterThan(0)
  })

  it('takes all that the limit allows, and then says what is free', () => {
    const room = (64 << 20) - 65536 - device.scratchBytes
    {
      using all = device.empty([room], 'u8')
      expect(device.bytesInUse).toBe(room)
      expect(all.byteLength).toBe(room)
      expect(() => device.empty([1])).toThrowErrorMatchingInlineSnapshot(
        `[OutOfMemoryError: device wasm is out of memory: asked for 64 bytes, in use 63.9 MiB of 64.0 MiB, largest free block 0 bytes. Use a smaller preset, fewer anchors or a smaller image]`,
      )
    }
    using _low = device.empty([room - 4096], 'u8')
    using high = device.empty([4096], 'u8')
    expect(() => device.empty([2 ** 20, 2 ** 20])).toThrow(OutOfMemoryError)
    expect(high.size).toBe(4096)
  })

  it('a step that frees its temporaries uses no more memory the hundredth time', () => {
    const step = () => {
      using _ = device.scope()
      for (let i = 1; i < 50; i++) device.empty([i * 1000])
    }
    step()
    const { peakBytes, memory } = device
    const { byteLength } = memory.buffer
    for (let i = 0; i < 100; i++) step()
    expect(device.peakBytes).toBe(peakBytes)
    expect(device.memory.buffer.byteLength).toBe(byteLength)
    device.resetPeak()
    expect(device.peakBytes).toBe(0)
  })

  it('rejects limits and sizes that make no sense', async () => {
    await expect(createWasmDevice({ memoryLimit: 2 ** 33 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: createWasmDevice: memoryLimit must be in [131072, 4294967296], got 8589934592]`,
    )
    await expect(createWasmDevice({ memoryLimit: 1000 })).rejects.toThrow(ArgumentError)
    await expect(createWasmDevice({ threads: 0 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: createWasmDevice: threads must be a positive integer, got 0]`,
    )
    await expect(createWasmDevice({ scratchBytes: 100 })).rejects.toThrow(/multiple of 64/)
    await expect(createWasmDevice({ threads: 1, memoryLimit: 1 << 20 })).rejects.toThrow(OutOfMemoryError)
    expect(() => device.empty([2, -1], 'f32', 'means')).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: empty: shape of means must be non-negative integers, got [2, -1]]`,
    )
    expect(() => device.empty([1.5])).toThrow(ArgumentError)
    using none = device.empty([0, 3])
    expect(none.size).toBe(0)
  })
})

describe('tensors', () => {
  it('are written and read in part', async () => {
    using tensor = device.zeros([2, 3], 'i32')
    device.write(tensor, Int32Array.of(7, 8), 3)
    expect([...(await tensor.read())]).toEqual([0, 0, 0, 7, 8, 0])
    expect([...(await device.read(tensor, 3, 2))]).toEqual([7, 8])
    expect([...(await device.read(tensor, 5))]).toEqual([0])
    expect(() => device.write(tensor, Int32Array.of(1, 2), 5)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: write: range must be within the 6 elements of tensor, got [5, 7)]`,
    )
    await expect(device.read(tensor, 0.5, 1)).rejects.toThrow(ArgumentError)
    await expect(device.read(tensor, 0, 7)).rejects.toThrow(ArgumentError)
    // @ts-expect-error: other element type
    expect(() => device.write(tensor, Float32Array.of(1))).toThrow(DTypeError)
    // @ts-expect-error: no dtype has this array class
    expect(() => device.from(Float64Array.of(1))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: from: data must be one of Float32Array, Uint16Array, Int32Array, Uint32Array, Uint8Array, got Float64Array]`,
    )
  })

  it('are copied whole', async () => {
    using a = device.from(Float32Array.of(1, 2, 3, 4))
    using b = device.zeros([2, 2])
    device.copy(a, b)
    expect([...(await b.read())]).toEqual([1, 2, 3, 4])
    using shorter = device.zeros([3])
    expect(() => device.copy(a, shorter)).toThrow(ShapeError)
  })

  it('a view lives as long as the tensor it came from', async () => {
    const tensor = device.from(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3])
    const view = tensor.reshape([6]).reshape([3, 2])
    view.dispose()
    expect(view.disposed).toBe(false)
    expect([...(await view.read())]).toEqual([1, 2, 3, 4, 5, 6])
    expect(() => tensor.reshape([7])).toThrow(ShapeError)
    tensor.dispose()
    tensor.dispose()
    expect(view.disposed).toBe(true)
    await expect(view.read()).rejects.toThrow(DisposedError)
    expect(() => view.reshape([6])).toThrow(DisposedError)
    expect(() => device.fill(view, 0)).toThrowErrorMatchingInlineSnapshot(
      `[DisposedError: tensor tensor has been disposed; keep it alive until its last use]`,
    )
    // Freed once: the next two tensors do not share its memory.
    using a = device.empty([6])
    using b = device.empty([6])
    expect(device.address(a)).not.toBe(device.address(b))
  })
})

describe('scopes', () => {
  it('hand kept tensors to the scope around', () => {
    const outer = device.scope()
    const before = device.empty([1])
    let kept = before
    let shape = before
    {
      using inner = device.scope()
      const temporary = device.empty([1])
      kept = inner.keep(device.empty([1]))
      shape = inner.keep(device.empty([4]).reshape([2, 2]))
      // Of another scope, or of none: nothing changes.
      inner.keep(before)
      expect(temporary.disposed).toBe(false)
    }
    expect(kept.disposed).toBe(false)
    expect(shape.disposed).toBe(false)
    expect(device.bytesInUse).toBe(3 * 64)
    outer.keep(kept)
    outer[Symbol.dispose]()
    expect(shape.disposed).toBe(true)
    expect(before.disposed).toBe(true)
    expect(kept.disposed).toBe(false)
    kept.dispose()
  })

  it('free on an exception, and once', () => {
    const failing = () => {
      using _ = device.scope()
      device.empty([100])
      throw new Error('stop')
    }
    expect(failing).toThrow('stop')
    expect(device.bytesInUse).toBe(0)
    const scope = device.scope()
    device.empty([10]).dispose()
    device.empty([10])
    scope[Symbol.dispose]()
    scope[Symbol.dispose]()
    using after = device.empty([1])
    expect(after.disposed).toBe(false)
  })
})
