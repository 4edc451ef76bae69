import { chooseDevice, DeviceUnavailableError, type SelectOptions, selectDevice } from '@clipgstream/tensor'
import { describe, expect, it } from 'vitest'
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
