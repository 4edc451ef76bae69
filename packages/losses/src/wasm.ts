import { check, type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { WasmDevice } from '@clipgstream/tensor/wasm'
import { checkCamera, checkCapacity, checkImage, checkMatrices, checkPair, checkSaved } from './checks.js'
import type { ColorAffine, PhotometricLoss, PhotometricResult, PhotometricWeights, VolumeLoss } from './contract.js'

// As in the kernels.
const band = 32
const strip = 192
const pixelBlock = 4096
const rowBlock = 8192

export async function createPhotometricLoss(device: Device): Promise<PhotometricLoss> {
  const wasm = narrow(device)
  const module = await wasm.load(new URL('../dist/kernels/photometric.wasm', import.meta.url))
  const measure = module.kernel('measure')
  const finish = module.kernel('finish')
  const measureBackward = module.kernel('measureBackward')

  const plan = (operator: string, image: Tensor<'f32'>, target: Tensor<'u8'>) => {
    const { height, width } = checkPair(operator, device, image, target)
    const columns = 3 * width
    const chunks = Math.ceil(height / band) * Math.ceil(columns / strip)
    return { height, width, stride: Math.ceil(columns / 4) * 4, chunks, values: height * columns }
  }

  return {
    forward(image, target): PhotometricResult {
      const { height, width, stride, chunks, values } = plan('photometric.forward', image, target)
      const terms = device.empty([2], 'f32', 'terms')
      const saved = device.empty([3, height, stride], 'f32', 'ssim derivatives')
      using partials = device.empty([chunks, 4], 'u32')
      wasm.launch(measure, chunks, image, target, saved, partials, height, width, stride)
      wasm.launch(finish, 1, partials, terms, chunks, values)
      return { terms, saved: [saved] }
    },

    backward(image, target, result, { l1, dssim }: PhotometricWeights): Tensor<'f32'> {
      const { height, width, stride, chunks, values } = plan('photometric.backward', image, target)
      const saved = checkSaved('photometric.backward', device, result, [3, height, stride])
      const vImage = device.empty([height, width, 3], 'f32', 'vImage')
      wasm.launch(
        measureBackward,
        chunks,
        image,
        target,
        saved,
        vImage,
        height,
        width,
        stride,
        l1 / values,
        -dssim / values,
      )
      return vImage
    },
  }
}

export async function createVolumeLoss(device: Device): Promise<VolumeLoss> {
  const wasm = narrow(device)
  const module = await wasm.load(new URL('../dist/kernels/volume.wasm', import.meta.url))
  const sumVolumes = module.kernel('sumVolumes')
  const meanVolume = module.kernel('meanVolume')
  const volumeBackward = module.kernel('volumeBackward')

  return {
    forward(scales, count) {
      const capacity = checkCapacity('volume.forward', device, scales, count)
      const chunks = Math.ceil(capacity / rowBlock)
      const mean = device.empty([1], 'f32', 'mean volume')
      using partials = device.empty([chunks, 2], 'u32')
      wasm.launch(sumVolumes, chunks, scales, count, partials, capacity)
      wasm.launch(meanVolume, 1, partials, count, mean, chunks, capacity)
      return mean
    },

    backward(scales, count, weight, vScales) {
      const capacity = checkCapacity('volume.backward', device, scales, count)
      check('volume.backward', device, 'vScales', vScales, 'f32', [capacity, 3])
      wasm.launch(volumeBackward, Math.ceil(capacity / rowBlock), scales, count, vScales, capacity, weight)
    },
  }
}

export async function createColorAffine(device: Device): Promise<ColorAffine> {
  const wasm = narrow(device)
  const module = await wasm.load(new URL('../dist/kernels/color-affine.wasm', import.meta.url))
  const apply = module.kernel('apply')
  const applyBackward = module.kernel('applyBackward')
  const addPartials = module.kernel('addPartials')
  const centre = module.kernel('centre')

  /** Address of the matrix of `camera`. */
  const matrixOf = (operator: string, name: string, matrices: Tensor<'f32'>, camera: Camera): number => {
    checkCamera(operator, device, name, matrices, camera)
    const last = (matrices.shape[0] ?? 0) - 1
    const index = typeof camera === 'number' ? camera : Math.min(wasm.view(camera)[0]!, last)
    return wasm.address(matrices) + 48 * index
  }

  return {
    forward(image, matrices, camera) {
      const { height, width } = checkImage('colorAffine.forward', device, 'image', image)
      const matrix = matrixOf('colorAffine.forward', 'matrices', matrices, camera)
      const pixels = height * width
      const out = device.empty([height, width, 3], 'f32', 'colour of the camera')
      wasm.launch(apply, Math.ceil(pixels / pixelBlock), image, matrix, out, pixels)
      return out
    },

    backward(image, matrices, camera, vOut, vMatrices) {
      const { height, width } = checkImage('colorAffine.backward', device, 'image', image)
      check('colorAffine.backward', device, 'vOut', vOut, 'f32', [height, width, 3])
      const matrix = matrixOf('colorAffine.backward', 'matrices', matrices, camera)
      check('colorAffine.backward', device, 'vMatrices', vMatrices, 'f32', matrices.shape)
      const vMatrix = matrixOf('colorAffine.backward', 'vMatrices', vMatrices, camera)
      const pixels = height * width
      const chunks = Math.ceil(pixels / pixelBlock)
      const vImage = device.empty([height, width, 3], 'f32', 'vImage')
      using partials = device.empty([chunks, 24], 'u32')
      wasm.launch(applyBackward, chunks, image, matrix, vOut, vImage, partials, pixels)
      wasm.launch(addPartials, 1, partials, vMatrix, chunks)
      return vImage
    },

    centre(matrices) {
      const cameras = checkMatrices('colorAffine.centre', device, 'matrices', matrices)
      if (cameras > 0) wasm.launch(centre, 1, matrices, cameras)
    },
  }
}

function narrow(device: Device): WasmDevice {
  if (device instanceof WasmDevice) return device
  throw new DeviceUnavailableError(device.kind, 'losses was given another device', 'Pass a wasm device')
}

type Camera = number | Tensor<'u32'>
