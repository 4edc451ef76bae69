import { type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { CudaDevice } from '@clipgstream/tensor/cuda'
import type { Camera, ColorAffineKernels, PhotometricKernels, VolumeKernels } from './operate.js'
import { columnsPerStrip, stripsOf } from './strips.js'

// As in the kernels.
const threads = 256
const rowsPerBlock = 2048
const pixelsPerBlock = 4096
const elementsOfMatrix = 12

export async function loadPhotometric(device: Device): Promise<PhotometricKernels> {
  const cuda = narrow(device)
  const module = await cuda.load(new URL('../dist/kernels/photometric.fatbin', import.meta.url))
  const measure = module.kernel('measure', 'ppppuuu')
  const finish = module.kernel('finish', 'ppud')
  const measureBackward = module.kernel('measureBackward', 'ppppuuuff')
  const plan = (height: number, width: number) => {
    const { strips, band, bands } = stripsOf(height, width)
    return { band, blocks: strips * bands, shape: { grid: [strips, bands] as const, block: columnsPerStrip } }
  }

  return {
    savedShape: (height, width) => [3, height, 3 * width],

    forward({ image, target, height, width }, saved, terms) {
      const { band, blocks, shape } = plan(height, width)
      using partials = device.empty([blocks, 4], 'u32', 'partial sums')
      cuda.launch(measure, shape, image, target, saved, partials, height, width, band)
      cuda.launch(finish, { grid: 1, block: threads }, partials, terms, blocks, 3 * height * width)
    },

    backward({ image, target, height, width }, saved, vImage, { l1, dssim }) {
      const { band, shape } = plan(height, width)
      cuda.launch(measureBackward, shape, image, target, saved, vImage, height, width, band, l1, -dssim)
    },
  }
}

export async function loadVolume(device: Device): Promise<VolumeKernels> {
  const cuda = narrow(device)
  const module = await cuda.load(new URL('../dist/kernels/volume.fatbin', import.meta.url))
  const sumVolumes = module.kernel('sumVolumes', 'pppu')
  const meanVolume = module.kernel('meanVolume', 'pppuu')
  const volumeBackward = module.kernel('volumeBackward', 'pppuf')

  return {
    forward(scales, count, capacity, mean) {
      const blocks = Math.ceil(capacity / rowsPerBlock)
      using partials = device.empty([blocks, 2], 'u32', 'partial sums')
      cuda.launch(sumVolumes, { grid: blocks, block: threads }, scales, count, partials, capacity)
      cuda.launch(meanVolume, { grid: 1, block: threads }, partials, count, mean, blocks, capacity)
    },

    backward(scales, count, capacity, weight, vScales) {
      const shape = { grid: Math.ceil(capacity / threads), block: threads }
      cuda.launch(volumeBackward, shape, scales, count, vScales, capacity, weight)
    },
  }
}

export async function loadColorAffine(device: Device): Promise<ColorAffineKernels> {
  const cuda = narrow(device)
  const module = await cuda.load(new URL('../dist/kernels/color-affine.fatbin', import.meta.url))
  const apply = module.kernel('apply', 'ppupu' + 'p')
  const applyBackward = module.kernel('applyBackward', 'ppupppu' + 'p')
  const addPartials = module.kernel('addPartials', 'ppuu' + 'p')
  const centre = module.kernel('centre', 'pu')
  /** A warp an element of a matrix. */
  const oneMatrix = { grid: 1, block: 32 * elementsOfMatrix }

  /** The camera, or the last one there may be, and where its index lies. */
  const placeOf = (matrices: Tensor<'f32'>, camera: Camera) =>
    typeof camera === 'number'
      ? { index: camera, onDevice: null }
      : { index: (matrices.shape[0] ?? 0) - 1, onDevice: camera }

  return {
    forward(image, pixels, matrices, camera, out) {
      const { index, onDevice } = placeOf(matrices, camera)
      const shape = { grid: Math.ceil(pixels / (4 * threads)), block: threads }
      cuda.launch(apply, shape, image, matrices, index, out, pixels, onDevice)
    },

    backward(image, pixels, matrices, camera, vOut, vMatrices, vImage) {
      const { index, onDevice } = placeOf(matrices, camera)
      const blocks = Math.ceil(pixels / pixelsPerBlock)
      using partials = device.empty([blocks, 2 * elementsOfMatrix], 'u32', 'partial sums')
      const shape = { grid: blocks, block: threads }
      cuda.launch(applyBackward, shape, image, matrices, index, vOut, vImage, partials, pixels, onDevice)
      cuda.launch(addPartials, oneMatrix, partials, vMatrices, index, blocks, onDevice)
    },

    centre(matrices, cameras) {
      cuda.launch(centre, oneMatrix, matrices, cameras)
    },
  }
}

function narrow(device: Device): CudaDevice {
  if (device instanceof CudaDevice) return device
  throw new DeviceUnavailableError(device.kind, 'losses was given another device', 'Pass a cuda device')
}
