import { createPhotometricLoss } from '@clipgstream/losses'
import { createRandom } from '@clipgstream/tensor'
import type { Benchmark, Effort, Row } from './bench.js'
import { memoryBandwidth, peers, withFloor } from './gpu.js'
import { type Gpu, onGpus, timeOf } from './gpus.js'

/** Milliseconds on an H100, forward and backward. */
interface Rivals {
  original: readonly [number, number]
  fusedSsim: readonly [number, number]
}

const images: { width: number; height: number; rivals: Rivals }[] = [
  { width: 960, height: 540, rivals: { original: [0.84, 1.16], fusedSsim: [0.24, 0.29] } },
  { width: 1352, height: 1014, rivals: { original: [1.62, 1.49], fusedSsim: [0.22, 0.31] } },
  { width: 1920, height: 1080, rivals: { original: [2.37, 2.24], fusedSsim: [0.22, 0.31] } },
]
const weights = { l1: 0.8, dssim: 0.2 }

export const benchmark: Benchmark = {
  name: 'loss on GPUs',
  description:
    'L1 and SSIM with an 11x11 window against bytes, and their gradient. The floor is 17 bytes a value forward and 21 ' +
    'backward, at 3 TB/s of device memory.',
  run: (effort) =>
    onGpus(async (device) => {
      const rows: Row[] = []
      for (const image of images) rows.push(...(await measure(device, image, effort)))
      return rows
    }),
}

async function measure(
  device: Gpu,
  { width, height, rivals }: (typeof images)[number],
  effort: Effort,
): Promise<Row[]> {
  const random = createRandom(1)
  const length = width * height * 3
  const bytes = Uint8Array.from({ length }, (_, i) => 128 + 90 * Math.sin(i / 50) + 30 * random.uniform())
  const floats = Float32Array.from(bytes, (value) => value / 255 + 0.1 * random.normal())
  using _ = device.scope()
  const loss = await createPhotometricLoss(device)
  const image = device.from(floats, [height, width, 3])
  const target = device.from(bytes, [height, width, 3])
  const result = loss.forward(image, target)
  const forward = await timeOf(device, { work: () => loss.forward(image, target) }, effort)
  const backward = await timeOf(device, { work: () => loss.backward(image, target, result, weights) }, effort)
  const row = (what: string, value: number, bytesOfValue: number, pass: 0 | 1): Row[] => {
    const ratios = peers(device, value, { 'fused-ssim': rivals.fusedSsim[pass], original: rivals.original[pass] })
    const floor = (1e3 * bytesOfValue * length) / memoryBandwidth
    return withFloor({ what: `${width}x${height}: ${what}`, value, unit: 'ms', ratios }, floor)
  }
  return [...row('forward', forward, 17, 0), ...row('backward', backward, 21, 1)]
}
