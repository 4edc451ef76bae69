// What people without a GPU, a driver, koffi or kernels are told.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createPrimitives, DeviceUnavailableError, isDeviceName, selectDevice } from '@clipgstream/tensor'
import { createCudaDevice } from '@clipgstream/tensor/cuda'
import { describe, expect, it } from 'vitest'
import { whyNoCuda } from './devices.js'
import { FakeGpu } from './fake-driver.js'

const dist = new URL('../dist/', import.meta.url)

describe.skipIf(!(await whyNoCuda())?.includes('no NVIDIA driver'))('without a driver', () => {
  it('cuda says so when it is asked for by name', async () => {
    const message = `[DeviceUnavailableError: device cuda is not available: no NVIDIA driver (libcuda.so.1). Install NVIDIA driver 580 or newer, or use --device wasm]`
    await expect(selectDevice('cuda')).rejects.toThrowErrorMatchingInlineSnapshot(message)
    await expect(selectDevice('cuda:1')).rejects.toThrowErrorMatchingInlineSnapshot(message)
    await expect(createCudaDevice()).rejects.toThrow(DeviceUnavailableError)
  })

  it('auto is wasm', async () => {
    using device = await selectDevice('auto')
    expect(device.kind).toBe('wasm')
  })
})

it('names of devices', async () => {
  expect(['auto', 'wasm', 'cuda', 'cuda:0', 'cuda:12'].every(isDeviceName)).toBe(true)
  expect(['', 'cuda:', 'cuda:-1', 'cuda:x', 'CUDA', 'gpu'].some(isDeviceName)).toBe(false)
  // @ts-expect-error: no such device
  await expect(selectDevice('gpu')).rejects.toThrowErrorMatchingInlineSnapshot(
    `[DeviceUnavailableError: device gpu is not available: there is no such device. Use one of auto, wasm, webgpu, cuda, cuda:1 for the second GPU, or webgpu:NAME for one adapter]`,
  )
})

it('without koffi, the error says how to get it', () => {
  const source = `
    import Module from 'node:module'
    const resolve = Module._resolveFilename
    Module._resolveFilename = (name, ...rest) => {
      if (name === 'koffi') throw new Error("Cannot find module 'koffi'")
      return resolve(name, ...rest)
    }
    const { createCudaDevice } = await import('${new URL('cuda/index.js', dist)}')
    await createCudaDevice().catch((error) => console.log(error.name + ': ' + error.message))`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], { encoding: 'utf8' })
  expect(stdout.trim()).toMatchInlineSnapshot(
    `"DeviceUnavailableError: device cuda is not available: the package koffi could not be loaded (Cannot find module 'koffi'). Install it with npm i koffi, or use --device wasm"`,
  )
})

it.skipIf(!existsSync(new URL('kernels/cuda.json', dist)))('a driver older than the kernels is refused', async () => {
  await expect(createCudaDevice({}, new FakeGpu(1 << 20, 1, 11040).driver)).rejects.toThrow(
    /the NVIDIA driver is too old: it runs CUDA 11\.4, the kernels were built with \d+\.\d+\. Install a newer driver/,
  )
})

it('primitives take no other device', async () => {
  const { createCudaPrimitives } = await import('@clipgstream/tensor/cuda')
  using wasm = await selectDevice('wasm')
  await expect(createCudaPrimitives(wasm)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[DeviceUnavailableError: device wasm is not available: the primitives were given another device. Pass a cuda device]`,
  )
  await createPrimitives(wasm)
})
