import { type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import type { Camera, ColorAffineKernels, PhotometricKernels, VolumeKernels } from './operate.js'
import { stripsOf } from './strips.js'

// As in the kernels.
const threads = 256
const rowsPerWorkgroup = 2048
const pixelsPerWorkgroup = 4096
const rowsOfMatrix = 3

export async function loadPhotometric(device: Device): Promise<PhotometricKernels> {
  const gpu = narrow(device)
  const module = await gpu.load(new URL('../dist/kernels/photometric.wgsl.json', import.meta.url))
  const measure = module.kernel('measure')
  const finish = module.kernel('finish')
  const measureBackward = module.kernel('measureBackward')
  const plan = (height: number, width: number) => {
    const { strips, band, bands } = stripsOf(height, width)
    return { grid: [strips, bands] as const, settings: { height, width, band } }
  }

  return {
    savedShape: (height, width) => [3, height, 3 * width],

    forward({ image, target, height, width }, saved, terms) {
      const { grid, settings } = plan(height, width)
      const count = grid[0] * grid[1]
      using partials = device.empty([count, 2], 'f32', 'partial sums')
      gpu.launch(measure, grid, settings, { image, bytes: target, saved, partials })
      gpu.launch(finish, 1, { count, values: 3 * height * width }, { sums: partials, terms })
    },

    backward({ image, target, height, width }, maps, vImage, { l1, dssim }) {
      const { grid, settings } = plan(height, width)
      const weights = { perDifference: l1, perSimilarity: -dssim }
      gpu.launch(measureBackward, grid, { ...settings, ...weights }, { image, bytes: target, maps, vImage })
    },
  }
}

export async function loadVolume(device: Device): Promise<VolumeKernels> {
  const gpu = narrow(device)
  const module = await gpu.load(new URL('../dist/kernels/volume.wgsl.json', import.meta.url))
  const sumVolumes = module.kernel('sumVolumes')
  const meanVolume = module.kernel('meanVolume')
  const volumeBackward = module.kernel('volumeBackward')

  return {
    forward(scales, count, capacity, mean) {
      const workgroups = Math.ceil(capacity / rowsPerWorkgroup)
      using partials = device.empty([workgroups], 'f32', 'partial sums')
      gpu.launch(sumVolumes, workgroups, { capacity }, { scales, count, partials })
      gpu.launch(meanVolume, 1, { capacity, workgroups }, { sums: partials, count, mean })
    },

    backward(scales, count, capacity, weight, vScales) {
      gpu.launch(volumeBackward, Math.ceil(capacity / threads), { capacity, weight }, { scales, count, vScales })
    },
  }
}

export async function loadColorAffine(device: Device): Promise<ColorAffineKernels> {
  const gpu = narrow(device)
  const module = await gpu.load(new URL('../dist/kernels/color-affine.wgsl.json', import.meta.url))
  const apply = module.kernel('apply')
  const applyBackward = module.kernel('applyBackward')
  const addPartials = module.kernel('addPartials')
  const centre = module.kernel('centre')

  /** The camera, or the last one there may be, and whether its index lies on the device. */
  const placeOf = (matrices: Tensor<'f32'>, camera: Camera) =>
    typeof camera === 'number'
      ? { cameras: null, which: { camera, isOnDevice: 0 } }
      : { cameras: camera, which: { camera: (matrices.shape[0] ?? 0) - 1, isOnDevice: 1 } }

  return {
    forward(image, pixels, matrices, camera, out) {
      const { cameras, which } = placeOf(matrices, camera)
      gpu.launch(apply, Math.ceil(pixels / threads), { pixels, ...which }, { image, matrices, cameras, out })
    },

    backward(image, pixels, matrices, camera, vOut, vMatrices, vImage) {
      const { cameras, which } = placeOf(matrices, camera)
      const workgroups = Math.ceil(pixels / pixelsPerWorkgroup)
      using partials = device.empty([workgroups, 12], 'f32', 'partial sums')
      const tensors = { image, matrices, cameras, vOut, vImage, partials }
      gpu.launch(applyBackward, workgroups, { pixels, ...which }, tensors)
      gpu.launch(addPartials, rowsOfMatrix, { workgroups, ...which }, { sums: partials, cameras, vMatrices })
    },

    centre(matrices, cameras) {
      gpu.launch(centre, rowsOfMatrix, { cameras }, { centred: matrices })
    },
  }
}

function narrow(device: Device): WebgpuDevice {
  if (device instanceof WebgpuDevice) return device
  throw new DeviceUnavailableError(device.kind, 'losses was given another device', 'Pass a webgpu device')
}
