import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import type { ColorAffine, PhotometricLoss, VolumeLoss } from './contract.js'

/** L1 and SSIM on `device`. @throws DeviceUnavailableError for a device without kernels */
export async function createPhotometricLoss(device: Device): Promise<PhotometricLoss> {
  return (await bindings(device)).createPhotometricLoss(device)
}

/** The volume regulariser on `device`. @throws DeviceUnavailableError for a device without kernels */
export async function createVolumeLoss(device: Device): Promise<VolumeLoss> {
  return (await bindings(device)).createVolumeLoss(device)
}

/** Per-camera colour on `device`. @throws DeviceUnavailableError for a device without kernels */
export async function createColorAffine(device: Device): Promise<ColorAffine> {
  return (await bindings(device)).createColorAffine(device)
}

/** `[I | 0]` for each camera, row-major: what {@link ColorAffine} matrices // [cameras, 3, 4] start from. */
export function identityAffines(cameras: number): Float32Array<ArrayBuffer> {
  return new Float32Array(cameras * 12).map((_, i) => (i % 12 === 0 || i % 12 === 5 || i % 12 === 10 ? 1 : 0))
}

interface Bindings {
  createPhotometricLoss(device: Device): Promise<PhotometricLoss>
  createVolumeLoss(device: Device): Promise<VolumeLoss>
  createColorAffine(device: Device): Promise<ColorAffine>
}

async function bindings(device: Device): Promise<Bindings> {
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
