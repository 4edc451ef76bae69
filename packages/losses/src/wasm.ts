import { type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { WasmDevice } from '@clipgstream/tensor/wasm'
import type { Camera, ColorAffineKernels, PhotometricKernels, VolumeKernels } from './operate.js'

// As in the kernels.
const band = 32
const strip = 192
const pixelBlock = 4096
const rowBlock = 8192
const matrixBytes = 48

export async function loadPhotometric(device: Device): Promise<PhotometricKernels> {
  const wasm = narrow(device)
  const module = await wasm.load(new URL('../dist/kernels/photometric.wasm', import.meta.url))
  const measure = module.kernel('measure')
  const finish = module.kernel('finish')
  const measureBackward = module.kernel('measureBackward')
  const strideOf = (width: number) => Math.ceil((3 * width) / 4) * 4
  const chunksOf = (height: number, width: number) => Math.ceil(height / band) * Math.ceil((3 * width) / strip)

  return {
    savedShape: (height, width) => [3, height, strideOf(width)],

    forward({ image, target, height, width }, saved, terms) {
      const chunks = chunksOf(height, width)
      using partials = device.empty([chunks, 4], 'u32', 'partial sums')
      wasm.launch(measure, chunks, image, target, saved, partials, height, width, strideOf(width))
      wasm.launch(finish, 1, partials, terms, chunks, 3 * height * width)
    },

    backward({ image, target, height, width }, saved, vImage, { l1, dssim }) {
      const sizes = [height, width, strideOf(width)] as const
      wasm.launch(measureBackward, chunksOf(height, width), image, target, saved, vImage, ...sizes, l1, -dssim)
    },
  }
}

export async function loadVolume(device: Device): Promise<VolumeKernels> {
  const wasm = narrow(device)
  const module = await wasm.load(new URL('../dist/kernels/volume.wasm', import.meta.url))
  const sumVolumes = module.kernel('sumVolumes')
  const meanVolume = module.kernel('meanVolume')
  const volumeBackward = module.kernel('volumeBackward')

  return {
    forward(scales, count, capacity, mean) {
      const chunks = Math.ceil(capacity / rowBlock)
      using partials = device.empty([chunks, 2], 'u32', 'partial sums')
      wasm.launch(sumVolumes, chunks, scales, count, partials, capacity)
      wasm.launch(meanVolume, 1, partials, count, mean, chunks, capacity)
    },

    backward(scales, count, capacity, weight, vScales) {
      wasm.launch(volumeBackward, Math.ceil(capacity / rowBlock), scales, count, vScales, capacity, weight)
    },
  }
}

export async function loadColorAffine(device: Device): Promise<ColorAffineKernels> {
  const wasm = narrow(device)
  const module = await wasm.load(new URL('../dist/kernels/color-affine.wasm', import.meta.url))
  const apply = module.kernel('apply')
  const applyBackward = module.kernel('applyBackward')
  const addPartials = module.kernel('addPartials')
  const centre = module.kernel('centre')
  const chunksOf = (pixels: number) => Math.ceil(pixels / pixelBlock)

  /** Address of the matrix of `camera`. */
  const matrixOf = (matrices: Tensor<'f32'>, camera: Camera): number => {
    const last = (matrices.shape[0] ?? 0) - 1
    const index = typeof camera === 'number' ? camera : Math.min(wasm.view(camera)[0]!, last)
    return wasm.address(matrices) + matrixBytes * index
  }

  return {
    forward(image, pixels, matrices, camera, out) {
      wasm.launch(apply, chunksOf(pixels), image, matrixOf(matrices, camera), out, pixels)
    },

    backward(image, pixels, matrices, camera, vOut, vMatrices, vImage) {
      const chunks = chunksOf(pixels)
      using partials = device.empty([chunks, 24], 'u32', 'partial sums')
      wasm.launch(applyBackward, chunks, image, matrixOf(matrices, camera), vOut, vImage, partials, pixels)
      wasm.launch(addPartials, 1, partials, matrixOf(vMatrices, camera), chunks)
    },

    centre(matrices, cameras) {
      wasm.launch(centre, 1, matrices, cameras)
    },
  }
}

function narrow(device: Device): WasmDevice {
  if (device instanceof WasmDevice) return device
  throw new DeviceUnavailableError(device.kind, 'losses was given another device', 'Pass a wasm device')
}
