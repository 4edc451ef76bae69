import { DeviceUnavailableError, DisposedError, selectDevice } from '@clipgstream/tensor'
import { DeviceLostError, WebgpuError } from '@clipgstream/tensor/webgpu'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { hasVulkanDriver } from '../src/webgpu/drivers.node.js'
import { freshWebgpu, webgpuForTests } from './webgpu-device.js'

const shared = await webgpuForTests()

describe.skipIf(!shared)('faults', () => {
  afterAll(() => shared?.dispose())

  it('names the kernel that WebGPU refuses, at the next read, once', async () => {
    using own = await freshWebgpu()
    const { gpu, module } = own
    using words = gpu.zeros([64], 'u32', 'result')
    gpu.launch(module.kernel('sized', { size: 100_000 }), 1, {}, { words })
    const error = await words.read().then(
      () => undefined,
      (problem: unknown) => problem,
    )
    if (!(error instanceof WebgpuError)) throw new Error(`not told: ${String(error)}`)
    expect(error.kernel).toBe('selftest.sized')
    gpu.fill(words, 3)
    expect((await words.read())[0]).toBe(3)
  })

  it('blocking names the launch and what was bound', async () => {
    using own = await freshWebgpu({ blocking: true })
    const { gpu, module } = own
    using words = gpu.zeros([64], 'u32', 'result')
    gpu.launch(module.kernel('sized', { size: 100_000 }), 1, {}, { words })
    const error = await gpu.synchronize().then(
      () => undefined,
      (problem: unknown) => problem,
    )
    if (!(error instanceof WebgpuError)) throw new Error(`not told: ${String(error)}`)
    expect([error.kernel, error.bindings]).toEqual(['selftest.sized', 'words=result [64]'])
    await gpu.synchronize()
  })

  it('tells on the console what nobody waited for', async () => {
    using own = await freshWebgpu()
    const { gpu, module } = own
    using words = gpu.zeros([64], 'u32')
    await gpu.synchronize()
    const told = vi.spyOn(console, 'error').mockImplementation(() => {})
    gpu.launch(module.kernel('sized', { size: 100_000 }), 1, {}, { words })
    gpu.submit()
    await gpu.gpu.queue.onSubmittedWorkDone()
    gpu.dispose()
    expect(told).toHaveBeenCalledWith(expect.stringContaining('selftest.sized'))
    told.mockRestore()
  })

  it('a lost device says so to those who wait and to whoever comes after', async () => {
    using own = await freshWebgpu()
    const { gpu, module } = own
    const words = gpu.zeros([64], 'u32')
    const reading = words.read()
    gpu.gpu.destroy()
    await expect(reading).rejects.toThrow(DeviceLostError)
    await expect(gpu.synchronize()).rejects.toThrow(DeviceLostError)
    expect(() => gpu.launch(module.kernel('sized'), 1, {}, { words })).toThrow(DeviceLostError)
    expect(() => gpu.empty([1])).toThrow(DeviceLostError)
    words.dispose()
  })

  it('a disposed device says so, and its tensors can still be disposed', async () => {
    const { gpu } = await freshWebgpu()
    const tensor = gpu.zeros([2])
    const reading = tensor.read()
    gpu.dispose()
    gpu.dispose()
    await expect(reading).rejects.toThrow(DisposedError)
    expect(() => gpu.empty([1])).toThrow(DisposedError)
    await expect(gpu.synchronize()).rejects.toThrow(DisposedError)
    tensor.dispose()
  })
})

describe('the choice of the adapter', () => {
  it('says what was found in place of what was asked for', async () => {
    const error = await selectDevice('webgpu:no such thing').then(
      (device) => device.label,
      (problem: unknown) => problem,
    )
    if (!(error instanceof DeviceUnavailableError)) throw new Error(`not refused: ${String(error)}`)
    expect(error.device).toBe('webgpu:no such thing')
    const expected = hasVulkanDriver()
      ? /there is no adapter called no such thing; found: /
      : /no Vulkan driver is installed/
    expect(error.reason).toMatch(expected)
  })

  it.skipIf(!shared?.software)('takes a software adapter only by its name', async () => {
    using device = await selectDevice('webgpu:swiftshader')
    expect(device.label).toBe('webgpu (SwiftShader)')
    const hardware = await selectDevice('webgpu').then(
      (other) => other.label,
      (problem: unknown) => problem,
    )
    if (typeof hardware === 'string') expect(hardware).not.toMatch(/SwiftShader/)
    else expect(hardware).toBeInstanceOf(DeviceUnavailableError)
  })
})
