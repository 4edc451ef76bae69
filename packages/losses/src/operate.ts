import { check, type Device, type Shape, type Tensor } from '@clipgstream/tensor'
import { checkCamera, checkCapacity, checkImage, checkMatrices, checkPair, checkSaved } from './checks.js'
import type { ColorAffine, PhotometricLoss, PhotometricWeights, VolumeLoss } from './contract.js'

// What devices do differently: they launch. Arguments have been checked and results have memory; names and shapes are those
// of the contract.

export interface Pair {
  image: Tensor<'f32'> // [H, W, 3]
  target: Tensor<'u8'> // [H, W, 3]
  height: number
  width: number
}

export interface PhotometricKernels {
  /** Of the derivatives that `forward` keeps. */
  savedShape(height: number, width: number): Shape
  forward(pair: Pair, saved: Tensor<'f32'>, terms: Tensor<'f32'>): void
  /** What the terms are multiplied with is per value. */
  backward(pair: Pair, saved: Tensor, vImage: Tensor<'f32'>, perValue: PhotometricWeights): void
}

export interface VolumeKernels {
  forward(scales: Tensor<'f32'>, count: Tensor<'u32'>, capacity: number, mean: Tensor<'f32'>): void
  backward(scales: Tensor<'f32'>, count: Tensor<'u32'>, capacity: number, weight: number, vScales: Tensor<'f32'>): void
}

/** A camera on the device counts as the last where it is above that. */
export type Camera = number | Tensor<'u32'>

export interface ColorAffineKernels {
  forward(image: Tensor<'f32'>, pixels: number, matrices: Tensor<'f32'>, camera: Camera, out: Tensor<'f32'>): void
  backward(
    image: Tensor<'f32'>,
    pixels: number,
    matrices: Tensor<'f32'>,
    camera: Camera,
    vOut: Tensor<'f32'>,
    vMatrices: Tensor<'f32'>,
    vImage: Tensor<'f32'>,
  ): void
  /** Of at least one camera. */
  centre(matrices: Tensor<'f32'>, cameras: number): void
}

export function photometricLoss(device: Device, kernels: PhotometricKernels): PhotometricLoss {
  return {
    forward(image, target) {
      const { height, width } = checkPair('photometric.forward', device, image, target)
      const terms = device.empty([2], 'f32', 'terms')
      const saved = device.empty(kernels.savedShape(height, width), 'f32', 'ssim derivatives')
      kernels.forward({ image, target, height, width }, saved, terms)
      return { terms, saved: [saved] }
    },

    backward(image, target, result, { l1, dssim }) {
      const { height, width } = checkPair('photometric.backward', device, image, target)
      const saved = checkSaved('photometric.backward', device, result, kernels.savedShape(height, width))
      const vImage = device.empty([height, width, 3], 'f32', 'vImage')
      const values = 3 * height * width
      kernels.backward({ image, target, height, width }, saved, vImage, { l1: l1 / values, dssim: dssim / values })
      return vImage
    },
  }
}

export function volumeLoss(device: Device, kernels: VolumeKernels): VolumeLoss {
  return {
    forward(scales, count) {
      const capacity = checkCapacity('volume.forward', device, scales, count)
      const mean = device.empty([1], 'f32', 'mean volume')
      kernels.forward(scales, count, capacity, mean)
      return mean
    },

    backward(scales, count, weight, vScales) {
      const capacity = checkCapacity('volume.backward', device, scales, count)
      check('volume.backward', device, 'vScales', vScales, 'f32', [capacity, 3])
      kernels.backward(scales, count, capacity, weight, vScales)
    },
  }
}

export function colorAffine(device: Device, kernels: ColorAffineKernels): ColorAffine {
  return {
    forward(image, matrices, camera) {
      const { height, width } = checkImage('colorAffine.forward', device, 'image', image)
      checkCamera('colorAffine.forward', device, 'matrices', matrices, camera)
      const out = device.empty([height, width, 3], 'f32', 'colour of the camera')
      kernels.forward(image, height * width, matrices, camera, out)
      return out
    },

    backward(image, matrices, camera, vOut, vMatrices) {
      const operator = 'colorAffine.backward'
      const { height, width } = checkImage(operator, device, 'image', image)
      check(operator, device, 'vOut', vOut, 'f32', [height, width, 3])
      checkCamera(operator, device, 'matrices', matrices, camera)
      check(operator, device, 'vMatrices', vMatrices, 'f32', matrices.shape)
      const vImage = device.empty([height, width, 3], 'f32', 'vImage')
      kernels.backward(image, height * width, matrices, camera, vOut, vMatrices, vImage)
      return vImage
    },

    centre(matrices) {
      const cameras = checkMatrices('colorAffine.centre', device, 'matrices', matrices)
      if (cameras > 0) kernels.centre(matrices, cameras)
    },
  }
}
