import { check, type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import { checkCamera, checkCapacity, checkImage, checkMatrices, checkPair, checkSaved } from './checks.js'
import type { ColorAffine, PhotometricLoss, PhotometricResult, PhotometricWeights, VolumeLoss } from './contract.js'
import { stripsOf } from './strips.js'

// As in the kernels.
const threads = 256
const rowsPerWorkgroup = 2048
const pixelsPerWorkgroup = 4096

export async function createPhotometricLoss(device: Device): Promise<PhotometricLoss> {
  const gpu = narrow(device)
  const module = await gpu.load(new URL('../dist/kernels/photometric.wgsl.json', import.meta.url))
  const measure = module.kernel('measure')
  const finish = module.kernel('finish')
  const measureBackward = module.kernel('measureBackward')

  const plan = (operator: string, image: Tensor<'f32'>, target: Tensor<'u8'>) => {
    const { height, width } = checkPair(operator, device, image, target)
    const { strips, band, bands } = stripsOf(height, width)
    return { height, width, band, grid: [strips, bands] as const, values: 3 * height * width }
  }

  return {
    forward(image, target): PhotometricResult {
      const { height, width, band, grid, values } = plan('photometric.forward', image, target)
      const count = grid[0] * grid[1]
      const terms = device.empty([2], 'f32', 'terms')
      const saved = device.empty([3, height, 3 * width], 'f32', 'ssim derivatives')
      using partials = device.empty([count, 2], 'f32', 'partial sums')
      gpu.launch(measure, grid, { height, width, band }, { image, bytes: target, saved, partials })
      gpu.launch(finish, 1, { count, values }, { sums: partials, terms })
      return { terms, saved: [saved] }
    },

    backward(image, target, result, { l1, dssim }: PhotometricWeights): Tensor<'f32'> {
      const { height, width, band, grid, values } = plan('photometric.backward', image, target)
      const maps = checkSaved('photometric.backward', device, result, [3, height, 3 * width])
      const vImage = device.empty([height, width, 3], 'f32', 'vImage')
      const settings = { height, width, band, perDifference: l1 / values, perSimilarity: -dssim / values }
      gpu.launch(measureBackward, grid, settings, { image, bytes: target, maps, vImage })
      return vImage
    },
  }
}

export async function createVolumeLoss(device: Device): Promise<VolumeLoss> {
  const gpu = narrow(device)
  const module = await gpu.load(new URL('../dist/kernels/volume.wgsl.json', import.meta.url))
  const sumVolumes = module.kernel('sumVolumes')
  const meanVolume = module.kernel('meanVolume')
  const volumeBackward = module.kernel('volumeBackward')

  return {
    forward(scales, count) {
      const capacity = checkCapacity('volume.forward', device, scales, count)
      const workgroups = Math.ceil(capacity / rowsPerWorkgroup)
      const mean = device.empty([1], 'f32', 'mean volume')
      using partials = device.empty([workgroups], 'f32', 'partial sums')
      gpu.launch(sumVolumes, workgroups, { capacity }, { scales, count, partials })
      gpu.launch(meanVolume, 1, { capacity, workgroups }, { sums: partials, count, mean })
      return mean
    },

    backward(scales, count, weight, vScales) {
      const capacity = checkCapacity('volume.backward', device, scales, count)
      check('volume.backward', device, 'vScales', vScales, 'f32', [capacity, 3])
      gpu.launch(volumeBackward, Math.ceil(capacity / threads), { capacity, weight }, { scales, count, vScales })
    },
  }
}

export async function createColorAffine(device: Device): Promise<ColorAffine> {
  const gpu = narrow(device)
  const module = await gpu.load(new URL('../dist/kernels/color-affine.wgsl.json', import.meta.url))
  const apply = module.kernel('apply')
  const applyBackward = module.kernel('applyBackward')
  const addPartials = module.kernel('addPartials')
  const centre = module.kernel('centre')

  /** Checks; returns the camera, or the last one there may be, and whether its index lies on the device. */
  const cameraOf = (operator: string, name: string, matrices: Tensor<'f32'>, camera: number | Tensor<'u32'>) => {
    checkCamera(operator, device, name, matrices, camera)
    return typeof camera === 'number'
      ? { camera, isOnDevice: 0 }
      : { camera: (matrices.shape[0] ?? 0) - 1, isOnDevice: 1 }
  }

  return {
    forward(image, matrices, camera) {
      const { height, width } = checkImage('colorAffine.forward', device, 'image', image)
      const which = cameraOf('colorAffine.forward', 'matrices', matrices, camera)
      const pixels = height * width
      const out = device.empty([height, width, 3], 'f32', 'colour of the camera')
      const cameras = typeof camera === 'number' ? null : camera
      gpu.launch(apply, Math.ceil(pixels / threads), { pixels, ...which }, { image, matrices, cameras, out })
      return out
    },

    backward(image, matrices, camera, vOut, vMatrices) {
      const operator = 'colorAffine.backward'
      const { height, width } = checkImage(operator, device, 'image', image)
      check(operator, device, 'vOut', vOut, 'f32', [height, width, 3])
      const which = cameraOf(operator, 'matrices', matrices, camera)
      check(operator, device, 'vMatrices', vMatrices, 'f32', matrices.shape)
      const pixels = height * width
      const workgroups = Math.ceil(pixels / pixelsPerWorkgroup)
      const vImage = device.empty([height, width, 3], 'f32', 'vImage')
      using partials = device.empty([workgroups, 12], 'f32', 'partial sums')
      const cameras = typeof camera === 'number' ? null : camera
      const tensors = { image, matrices, cameras, vOut, vImage, partials }
      gpu.launch(applyBackward, workgroups, { pixels, ...which }, tensors)
      // A workgroup a row of the matrix.
      gpu.launch(addPartials, 3, { workgroups, ...which }, { sums: partials, cameras, vMatrices })
      return vImage
    },

    centre(matrices) {
      const cameras = checkMatrices('colorAffine.centre', device, 'matrices', matrices)
      if (cameras > 0) gpu.launch(centre, 3, { cameras }, { centred: matrices })
    },
  }
}

function narrow(device: Device): WebgpuDevice {
  if (device instanceof WebgpuDevice) return device
  throw new DeviceUnavailableError(device.kind, 'losses was given another device', 'Pass a webgpu device')
}
