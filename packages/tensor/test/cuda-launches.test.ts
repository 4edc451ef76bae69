import { pathToFileURL } from 'node:url'
import { ArgumentError, DeviceUnavailableError, DisposedError, KernelError } from '@clipgstream/tensor'
import { CudaDevice } from '@clipgstream/tensor/cuda'
import { describe, expect, it } from 'vitest'
import { device, gpu, url } from './fake-device.js'

// Launches and graphs over a GPU that is only imagined. test/cuda.test.ts repeats what matters on a real one.

const shape = { grid: 1, block: 32 }

describe('launches', () => {
  it('pack arguments as C does', async () => {
    const { kernel } = await device.load(url)
    using tensor = device.zeros([4], 'u32')
    device.launch(
      kernel('mixed', 'pidfu'),
      { grid: [2, 3], block: [32, 1, 4], sharedBytes: 100 },
      tensor,
      -5,
      0.1,
      1.5,
      7,
    )
    device.launch(kernel('mixed', 'pidfu'), shape, null, true, Number.NaN, -0, 2 ** 32 - 1)
    await device.synchronize()
    const [first, second] = gpu.launches
    expect(first!.shape).toEqual([2, 3, 1, 32, 1, 4, 100])
    expect(first!.parameters.byteLength).toBe(32)
    expect(first!.parameters.getBigUint64(0, true)).toBe(BigInt(device.address(tensor)))
    expect(first!.parameters.getInt32(8, true)).toBe(-5)
    expect(first!.parameters.getFloat64(16, true)).toBe(0.1)
    expect(first!.parameters.getFloat32(24, true)).toBe(1.5)
    expect(first!.parameters.getUint32(28, true)).toBe(7)
    expect(second!.parameters.getBigUint64(0, true)).toBe(0n)
    expect(second!.parameters.getInt32(8, true)).toBe(1)
    expect(second!.parameters.getUint32(28, true)).toBe(2 ** 32 - 1)
  })

  it('pass addresses above 4 GiB and structs by value', async () => {
    const { kernel } = await device.load(url)
    device.launch(kernel('nested', 'ppiiffu'), shape, 2 ** 40 + 5, 2 ** 33, 1, 2, 3, 0, 5)
    await device.synchronize()
    expect(gpu.launches[0]!.parameters.getBigUint64(0, true)).toBe(2n ** 40n + 5n)
    expect(gpu.launches[0]!.parameters.getBigUint64(8, true)).toBe(2n ** 33n)
  })

  it('work in order with fills and reads', async () => {
    const { kernel } = await device.load(url)
    using values = device.from(Float32Array.of(1, 2, 3))
    device.launch(kernel('scale', 'puf'), shape, values, 3, 2)
    const once = values.read()
    device.launch(kernel('scale', 'puf'), shape, values, 3, 10)
    device.launch(kernel('scale', 'puf'), { grid: 0, block: 32 }, values, 3, 10)
    expect([...(await once)]).toEqual([2, 4, 6])
    expect([...(await values.read())]).toEqual([20, 40, 60])
    expect(device.gridFor(1000, 256)).toBe(4)
    expect(device.gridFor(1e9, 256)).toBe(64)
    expect(device.gridFor(0, 256)).toBe(0)
  })

  it('ask for more shared memory than the default, once', async () => {
    const { kernel } = await device.load(url)
    for (const sharedBytes of [1000, 100_000, 100_000, 90_000])
      device.launch(kernel('plain', ''), { grid: 1, block: 1, sharedBytes })
    expect(gpu.calls.cuFuncSetAttribute).toBe(1)
  })

  it('refuse what does not fit, with the name of the kernel', async () => {
    const { kernel } = await device.load(url)
    const scale = kernel('scale', 'puf')
    using values = device.zeros([3])
    expect(() => kernel('nothing', '')).toThrow(ArgumentError)
    expect(() => kernel('scale', 'pux')).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: scale: signature must be letters of p, i, u, f and d, got pux]`,
    )
    expect(() => kernel('scale', 'ppf')).toThrowErrorMatchingInlineSnapshot(
      `[KernelError: kernel scale: argument 1 is bytes 8 to 12, which 'ppf' does not say]`,
    )
    expect(() => kernel('scale', 'pufi')).toThrowErrorMatchingInlineSnapshot(
      `[KernelError: kernel scale: has 3 arguments, 'pufi' has more]`,
    )
    expect(() => kernel('scale', 'pu')).toThrow(KernelError)
    expect(() => device.launch(scale, shape, values, 3)).toThrowErrorMatchingInlineSnapshot(
      `[KernelError: kernel scale: takes 3 arguments, got 2]`,
    )
    expect(() => device.launch(scale, shape, values, -1, 1)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: scale: argument 1 must be an integer in [0, 4294967295], got -1]`,
    )
    expect(() => device.launch(scale, shape, values, 1.5, 1)).toThrow(ArgumentError)
    expect(() => device.launch(scale, shape, values, values, 1)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: scale: argument 1 must be a number, got tensor tensor]`,
    )
    const gone = device.empty([3])
    gone.dispose()
    expect(() => device.launch(scale, shape, gone, 3, 1)).toThrow(DisposedError)
    gpu.failing = { cuLaunchKernel: 1 }
    expect(() => device.launch(scale, shape, values, 3, 1)).toThrow(
      /scale \(grid 1x1x1, block 32x1x1, 0 shared bytes\)/,
    )
  })

  it('name the kernel that failed when they are blocking', async () => {
    using blocking = new CudaDevice(gpu.driver, { blocking: true })
    const { kernel } = await blocking.load(url)
    gpu.failing = { cuStreamSynchronize: 700 }
    expect(() => blocking.launch(kernel('plain', ''), shape)).toThrowErrorMatchingInlineSnapshot(
      `[KernelError: kernel plain: failed with CUDA_ERROR_ILLEGAL_ADDRESS (700)]`,
    )
  })

  it('are profiled by kernel', async () => {
    const { kernel } = await device.load(url)
    const times = await device.profile(() => {
      for (let i = 0; i < 3; i++) device.launch(kernel('plain', ''), shape)
    })
    expect(times).toEqual([{ kernel: 'plain', launches: 3, milliseconds: 1.5 }])
    expect(await device.time(() => device.launch(kernel('plain', ''), shape))).toBe(0.5)
  })

  it('need kernels that are built', async () => {
    const missing = device.load(pathToFileURL('/nowhere/hashgrid.fatbin'))
    await expect(missing).rejects.toThrow(DeviceUnavailableError)
    await expect(missing).rejects.toThrowErrorMatchingInlineSnapshot(
      `[DeviceUnavailableError: device cuda is not available: kernels not built (there is no /nowhere/hashgrid.fatbin). Build the package with nvcc on PATH]`,
    )
    gpu.failing = { cuModuleLoadData: 209 }
    await expect(device.load(url)).rejects.toThrow(KernelError)
    await device.load(url)
  })
})

describe('graphs and forks', () => {
  it('a graph repeats its work on memory that stays its own', async () => {
    const { kernel } = await device.load(url)
    const scale = kernel('scale', 'puf')
    using values = device.from(Float32Array.of(1, 2))
    let inside = values
    const graph = device.capture(() => {
      using _ = device.scope()
      const temporary = device.empty([2])
      device.copy(values, temporary)
      device.launch(scale, shape, temporary, 2, 3)
      device.copy(temporary, values)
      inside = temporary
    })
    expect(inside.disposed).toBe(true)
    expect([...(await values.read())]).toEqual([1, 2])
    // Its temporary is not handed out again.
    using stranger = device.from(Float32Array.of(5, 6))
    graph.launch()
    graph.launch()
    expect([...(await values.read())]).toEqual([9, 18])
    expect([...(await stranger.read())]).toEqual([5, 6])
    const { bytesInUse } = device
    graph.dispose()
    graph.dispose()
    expect(device.bytesInUse).toBeLessThan(bytesInUse)
  })

  it('a tensor made in a graph may outlive it', () => {
    let made: ReturnType<CudaDevice['empty']> | undefined
    const graph = device.capture(() => {
      made = device.zeros([100])
    })
    graph.dispose()
    using other = device.empty([100])
    expect(device.address(other)).not.toBe(device.address(made!))
    expect(device.bytesInUse).toBe(1024)
    made!.dispose()
    expect(device.bytesInUse).toBe(512)
  })

  it('what a graph cannot repeat is refused, and a failed capture leaves nothing', () => {
    using values = device.zeros([2])
    expect(() => device.capture(() => device.write(values, Float32Array.of(1, 2)))).toThrowErrorMatchingInlineSnapshot(
      `[CaptureError: cuda: write cannot be captured in a graph. Do it before or after, and let the graph use the tensor]`,
    )
    expect(() => device.capture(() => device.capture(() => {}))).toThrow(/capture/)
    const { bytesInUse } = device
    expect(() =>
      device.capture(() => {
        using _ = device.scope()
        device.empty([1000])
        throw new Error('stop')
      }),
    ).toThrow('stop')
    expect(device.bytesInUse).toBe(bytesInUse)
    device.write(values, Float32Array.of(1, 2))
  })

  it('memory that a fork uses is not handed out before it is joined', () => {
    const mine = device.empty([1000])
    const at = device.address(mine)
    const stream = device.stream
    const fork = device.fork(() => {
      expect(device.stream).not.toBe(stream)
      device.fill(mine, 1)
    })
    expect(device.stream).toBe(stream)
    mine.dispose()
    using early = device.empty([1000])
    expect(device.address(early)).not.toBe(at)
    fork.join()
    fork.join()
    using late = device.empty([1000])
    expect(device.address(late)).toBe(at)
    expect(() =>
      device.fork(() => {
        throw new Error('stop')
      }),
    ).toThrow('stop')
    expect(device.stream).toBe(stream)
    expect(gpu.calls.cuStreamCreate).toBe(2)
  })
})
