import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chooseDevice, DeviceUnavailableError, type SelectOptions, selectDevice } from '@clipgstream/tensor'
import { describe, expect, it } from 'vitest'
import { hasVulkanDriver } from '../src/webgpu/drivers.node.js'
import { whyNoCuda } from './devices.js'

const missing = await whyNoCuda()
const refuse: NonNullable<SelectOptions['accept']> = async (device) => {
  throw new DeviceUnavailableError(device.kind, 'kernels not built', 'Build them')
}

describe('auto', () => {
  it('is wasm where nothing better works, and says why', async () => {
    const { device, passedOver } = await chooseDevice({ threads: 1, accept: refuse })
    using _ = device
    expect(device.label).toBe('wasm (1 thread)')
    const [cuda] = passedOver
    expect(cuda?.name).toBe('cuda')
    expect(cuda?.reason).toMatch(missing ? /device cuda is not available/ : /kernels not built/)
  })

  it.skipIf(missing)('is the first GPU where everything is there', async () => {
    using device = await selectDevice('auto')
    expect(device.label).toMatch(/^cuda:0 /)
  })

  it.skipIf(missing)('does not hide errors of another kind', async () => {
    const accept = () => Promise.reject(new Error('something else'))
    await expect(chooseDevice({ accept })).rejects.toThrow('something else')
  })
})

it('a Vulkan driver is found where the loader looks for one', () => {
  if (process.platform !== 'linux') return
  const folder = mkdtempSync(join(tmpdir(), 'vulkan-'))
  const nowhere = { XDG_CONFIG_HOME: folder, XDG_CONFIG_DIRS: folder, XDG_DATA_HOME: folder }
  const system = ['/etc', '/usr/local/etc'].map((one) => join(one, 'vulkan/icd.d'))
  const installed = system.some((one) => existsSync(one) && readdirSync(one).length > 0)
  expect(hasVulkanDriver({ ...nowhere, XDG_DATA_DIRS: folder })).toBe(installed)
  expect(hasVulkanDriver({ ...nowhere, VK_DRIVER_FILES: 'driver.json' })).toBe(true)
  mkdirSync(join(folder, 'vulkan/icd.d'), { recursive: true })
  writeFileSync(join(folder, 'vulkan/icd.d/driver.json'), '{}')
  expect(hasVulkanDriver({ ...nowhere, XDG_DATA_DIRS: `/nowhere:${folder}` })).toBe(true)
})
