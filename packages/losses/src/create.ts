import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import type { ColorAffine, PhotometricLoss, VolumeLoss } from './contract.js'
import { colorAffine, photometricLoss, volumeLoss } from './operate.js'

/** L1 and SSIM on `device`. @throws DeviceUnavailableError for a device without kernels */
export async function createPhotometricLoss(device: Device): Promise<PhotometricLoss> {
  return photometricLoss(device, await (await bindings(device)).loadPhotometric(device))
}

/** The volume regulariser on `device`. @throws DeviceUnavailableError for a device without kernels */
export async function createVolumeLoss(device: Device): Promise<VolumeLoss> {
  return volumeLoss(device, await (await bindings(device)).loadVolume(device))
}

/** Per-camera colour on `device`. @throws DeviceUnavailableError for a device without kernels */
export async function createColorAffine(device: Device): Promise<ColorAffine> {
  return colorAffine(device, await (await bindings(device)).loadColorAffine(device))
}

/** `[I | 0]` for each camera, row-major: what {@link ColorAffine} matrices // [cameras, 3, 4] start from. */
export function identityAffines(cameras: number): Float32Array<ArrayBuffer> {
  return new Float32Array(cameras * 12).map((_, i) => (i % 12 === 0 || i % 12 === 5 || i % 12 === 10 ? 1 : 0))
}

async function bindings(device: Device) {
  switch (device.kind) {
    case 'wasm':
      return import('./wasm.js')
    case 'cuda':
      return import('./cuda.js')
    case 'webgpu':
      return import('./webgpu.js')
    default:
      throw new DeviceUnavailableError(device.kind satisfies never, 'there is no such device', 'Use a wasm device')
  }
}
