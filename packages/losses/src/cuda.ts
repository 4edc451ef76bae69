import { check, type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { CudaDevice } from '@clipgstream/tensor/cuda'
import { checkCamera, checkCapacity, checkImage, checkMatrices, checkPair, checkSaved } from './checks.js'
import type { ColorAffine, PhotometricLoss, PhotometricResult, PhotometricWeights, VolumeLoss } from './contract.js'
import { columnsPerStrip, stripsOf } from './strips.js'

// As in the kernels.
const threads = 256
const rowsPerBlock = 2048
const pixelsPerBlock = 4096
const elementsOfMatrix = 12

export async function createPhotometricLoss(device: Device): Promise<PhotometricLoss> {
  const cuda = narrow(device)
  const module = await cuda.load(new URL('../dist/kernels/photometric.fatbin', import.meta.url))
  const measure = module.kernel('measure', 'ppppuuu')
  const finish = module.kernel('finish', 'ppud')
  const measureBackward = module.kernel('measureBackward', 'ppppuuuff')

  const plan = (operator: string, image: Tensor<'f32'>, target: Tensor<'u8'>) => {
    const { height, width } = checkPair(operator, device, image, target)
    const { strips, band, bands } = stripsOf(height, width)
    const shape = { grid: [strips, bands] as const, block: columnsPerStrip }
    return { height, width, band, shape, blocks: strips * bands, values: 3 * height * width }
  }

  return {
    forward(image, target): PhotometricResult {
      const { height, width, band, shape, blocks, values } = plan('photometric.forward', image, target)
      const terms = device.empty([2], 'f32', 'terms')
      const saved = device.empty([3, height, 3 * width], 'f32', 'ssim derivatives')
      using partials = device.empty([blocks, 4], 'u32', 'partial sums')
      cuda.launch(measure, shape, image, target, saved, partials, height, width, band)
      cuda.launch(finish, { grid: 1, block: threads }, partials, terms, blocks, values)
      return { terms, saved: [saved] }
    },

    backward(image, target, result, { l1, dssim }: PhotometricWeights): Tensor<'f32'> {
      const { height, width, band, shape, values } = plan('photometric.backward', image, target)
      const saved = checkSaved('photometric.backward', device, result, [3, height, 3 * width])
      const vImage = device.empty([height, width, 3], 'f32', 'vImage')
      const weights = [l1 / values, -dssim / values] as const
      cuda.launch(measureBackward, shape, image, target, saved, vImage, height, width, band, ...weights)
      return vImage
    },
  }
}

export async function createVolumeLoss(device: Device): Promise<VolumeLoss> {
  const cuda = narrow(device)
  const module = await cuda.load(new URL('../dist/kernels/volume.fatbin', import.meta.url))
  const sumVolumes = module.kernel('sumVolumes', 'pppu')
  const meanVolume = module.kernel('meanVolume', 'pppuu')
  const volumeBackward = module.kernel('volumeBackward', 'pppuf')

  return {
    forward(scales, count) {
      const capacity = checkCapacity('volume.forward', device, scales, count)
      const blocks = Math.ceil(capacity / rowsPerBlock)
      const mean = device.empty([1], 'f32', 'mean volume')
      using partials = device.empty([blocks, 2], 'u32', 'partial sums')
      cuda.launch(sumVolumes, { grid: blocks, block: threads }, scales, count, partials, capacity)
      cuda.launch(meanVolume, { grid: 1, block: threads }, partials, count, mean, blocks, capacity)
      return mean
    },

    backward(scales, count, weight, vScales) {
      const capacity = checkCapacity('volume.backward', device, scales, count)
      check('volume.backward', device, 'vScales', vScales, 'f32', [capacity, 3])
      const shape = { grid: Math.ceil(capacity / threads), block: threads }
      cuda.launch(volumeBackward, shape, scales, count, vScales, capacity, weight)
    },
  }
}

export async function createColorAffine(device: Device): Promise<ColorAffine> {
  const cuda = narrow(device)
  const module = await cuda.load(new URL('../dist/kernels/color-affine.fatbin', import.meta.url))
  const apply = module.kernel('apply', 'ppupu' + 'p')
  const applyBackward = module.kernel('applyBackward', 'ppupppu' + 'p')
  const addPartials = module.kernel('addPartials', 'ppuu' + 'p')
  const centre = module.kernel('centre', 'pu')

  /** Checks; returns the camera, or the last one there may be, and where its index lies. */
  const cameraOf = (operator: string, name: string, matrices: Tensor<'f32'>, camera: number | Tensor<'u32'>) => {
    checkCamera(operator, device, name, matrices, camera)
    return typeof camera === 'number'
      ? { index: camera, onDevice: null }
      : { index: (matrices.shape[0] ?? 0) - 1, onDevice: camera }
  }

  return {
    forward(image, matrices, camera) {
      const { height, width } = checkImage('colorAffine.forward', device, 'image', image)
      const { index, onDevice } = cameraOf('colorAffine.forward', 'matrices', matrices, camera)
      const pixels = height * width
      const out = device.empty([height, width, 3], 'f32', 'colour of the camera')
      const shape = { grid: Math.ceil(pixels / (4 * threads)), block: threads }
      cuda.launch(apply, shape, image, matrices, index, out, pixels, onDevice)
      return out
    },

    backward(image, matrices, camera, vOut, vMatrices) {
      const operator = 'colorAffine.backward'
      const { height, width } = checkImage(operator, device, 'image', image)
      check(operator, device, 'vOut', vOut, 'f32', [height, width, 3])
      const { index, onDevice } = cameraOf(operator, 'matrices', matrices, camera)
      check(operator, device, 'vMatrices', vMatrices, 'f32', matrices.shape)
      const pixels = height * width
      const blocks = Math.ceil(pixels / pixelsPerBlock)
      const vImage = device.empty([height, width, 3], 'f32', 'vImage')
      using partials = device.empty([blocks, 2 * elementsOfMatrix], 'u32', 'partial sums')
      const shape = { grid: blocks, block: threads }
      cuda.launch(applyBackward, shape, image, matrices, index, vOut, vImage, partials, pixels, onDevice)
      const one = { grid: 1, block: 32 * elementsOfMatrix }
      cuda.launch(addPartials, one, partials, vMatrices, index, blocks, onDevice)
      return vImage
    },

    centre(matrices) {
      const cameras = checkMatrices('colorAffine.centre', device, 'matrices', matrices)
      if (cameras > 0) cuda.launch(centre, { grid: 1, block: 32 * elementsOfMatrix }, matrices, cameras)
    },
  }
}

function narrow(device: Device): CudaDevice {
  if (device instanceof CudaDevice) return device
  throw new DeviceUnavailableError(device.kind, 'losses was given another device', 'Pass a cuda device')
}
