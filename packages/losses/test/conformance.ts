import { createColorAffine, createPhotometricLoss, createVolumeLoss } from '@clipgstream/losses'
import type { ConformanceCase } from '../../../tools/conformance/case.js'
import { normals, pictures, positives } from './inputs.js'
import {
  centred,
  colorAffine,
  colorAffineGradient,
  meanVolume,
  meanVolumeGradient,
  photometric,
  photometricGradient,
} from './oracle.js'

/** Of the trainer. */
const weights = { l1: 0.8, dssim: 0.2 }

function photometricCase(size: 'small' | 'full', height: number, width: number): ConformanceCase {
  const { image, target } = pictures(height, width, height * 1000 + width)
  const n = height * width * 3
  // The weights times 3HW: gradients of the order of one.
  const scaled = { l1: n * weights.l1, dssim: n * weights.dssim }
  return {
    operator: 'losses.photometric',
    name: `${width}x${height}`,
    size,
    tolerance: {
      terms: { absolute: 2e-6, relative: 0 },
      // The sign of a difference of zero to the last bit may fall either way.
      vImage: { absolute: 3e-4, relative: 1e-3, flips: 1e-4, flipLimit: 2 * weights.l1 },
    },
    async run(device) {
      const loss = await createPhotometricLoss(device)
      using _ = device.scope()
      const x = device.from(image, [height, width, 3])
      const y = device.from(target, [height, width, 3])
      const result = loss.forward(x, y)
      const vImage = loss.backward(x, y, result, scaled)
      return { terms: await result.terms.read(), vImage: await vImage.read() }
    },
    oracle: () => ({
      terms: Float64Array.from(photometric(image, target, height, width)),
      vImage: photometricGradient(image, target, height, width, scaled),
    }),
  }
}

function volumeCase(size: 'small' | 'full', capacity: number, count: number): ConformanceCase {
  const scales = positives(capacity * 3, capacity)
  return {
    operator: 'losses.volume',
    name: `${count} of ${capacity} rows`,
    size,
    tolerance: { mean: { absolute: 1e-12, relative: 1e-6 }, vScales: { absolute: 1e-12, relative: 1e-6 } },
    async run(device) {
      const loss = await createVolumeLoss(device)
      using _ = device.scope()
      const rows = device.from(scales, [capacity, 3])
      const used = device.from(new Uint32Array([count]))
      const vScales = device.zeros([capacity, 3])
      const mean = loss.forward(rows, used)
      loss.backward(rows, used, 0.01 * count, vScales)
      return { mean: await mean.read(), vScales: await vScales.read() }
    },
    oracle: () => ({
      mean: Float64Array.of(meanVolume(scales, count)),
      vScales: meanVolumeGradient(scales, count, 0.01 * count),
    }),
  }
}

function affineCase(size: 'small' | 'full', height: number, width: number): ConformanceCase {
  const { image } = pictures(height, width, 77)
  const matrices = normals(36, 5)
  const vOut = normals(image.length, 6, 1 / Math.sqrt(image.length))
  return {
    operator: 'losses.color-affine',
    name: `${width}x${height}`,
    size,
    tolerance: {
      out: { absolute: 1e-6, relative: 1e-6 },
      again: { absolute: 1e-6, relative: 1e-6 },
      last: { absolute: 1e-6, relative: 1e-6 },
      vImage: { absolute: 1e-6, relative: 1e-6 },
      vMatrices: { absolute: 1e-5 * Math.sqrt(image.length), relative: 1e-5 },
    },
    async run(device) {
      const affine = await createColorAffine(device)
      using _ = device.scope()
      const x = device.from(image, [height, width, 3])
      const m = device.from(matrices, [3, 3, 4])
      const v = device.from(vOut, [height, width, 3])
      const vMatrices = device.zeros([3, 3, 4])
      // Which camera it is may lie on the device, where one above the last counts as that.
      const camera = device.from(Uint32Array.of(1))
      const two = device.from(matrices.subarray(0, 24), [2, 3, 4])
      const beyond = device.from(Uint32Array.of(7))
      const out = affine.forward(x, m, 1)
      const again = affine.forward(x, m, camera)
      const last = affine.forward(x, two, beyond)
      const vImage = affine.backward(x, m, camera, v, vMatrices)
      return {
        out: await out.read(),
        again: await again.read(),
        last: await last.read(),
        vImage: await vImage.read(),
        vMatrices: await vMatrices.read(),
      }
    },
    oracle() {
      const matrix = matrices.subarray(12, 24)
      const { vImage, vMatrix } = colorAffineGradient(image, matrix, vOut)
      const vMatrices = new Float64Array(36)
      vMatrices.set(vMatrix, 12)
      const out = colorAffine(image, matrix)
      return { out, again: out, last: out, vImage, vMatrices }
    },
  }
}

function centreCase(cameras: number): ConformanceCase {
  const matrices = normals(12 * cameras, cameras)
  return {
    operator: 'losses.color-affine',
    name: `${cameras} cameras centred`,
    size: 'small',
    tolerance: { centred: { absolute: 1e-6, relative: 1e-6 } },
    async run(device) {
      const affine = await createColorAffine(device)
      using _ = device.scope()
      const m = device.from(matrices, [cameras, 3, 4])
      affine.centre(m)
      return { centred: await m.read() }
    },
    oracle: () => ({ centred: centred(matrices) }),
  }
}

function withoutOracle({ oracle: _, ...one }: ConformanceCase): ConformanceCase {
  return one
}

export const cases: ConformanceCase[] = [
  ...(
    [
      [1, 1],
      [1, 7],
      [9, 1],
      [11, 11],
      [33, 65],
      [40, 70],
    ] as const
  ).map(([height, width]) => photometricCase('small', height, width)),
  volumeCase('small', 100, 100),
  volumeCase('small', 20_000, 17_001),
  volumeCase('small', 5, 0),
  affineCase('small', 1, 1),
  affineCase('small', 37, 131),
  ...[0, 1, 5, 300].map(centreCase),
  withoutOracle(photometricCase('full', 360, 640)),
  withoutOracle(volumeCase('full', 300_000, 250_001)),
  withoutOracle(affineCase('full', 360, 640)),
]
