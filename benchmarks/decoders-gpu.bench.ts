import {
  createHeads,
  decoderHeads,
  fieldHead,
  type HeadsConfig,
  initialParameters,
  type Precision,
  uploadParameters,
  zeroParameters,
} from '@clipgstream/decoders'
import { createRandom } from '@clipgstream/tensor'
import type { Benchmark, Effort, Row } from './bench.js'
import { peers, withFloor } from './gpu.js'
import { type Gpu, onGpus, timeOf } from './gpus.js'

const usual = decoderHeads({ features: 128, offsetsPerAnchor: 10 })
const field = fieldHead({ inputs: 64, hidden: 128, outputs: 64 })
/** Operations a second of an H100 forward and backward, as its maker says; tf32x3 needs three for one. */
const floors: Record<Precision, readonly [number, number]> = {
  fp32: [67e12, 67e12],
  tf32x3: [495e12 / 3, 495e12 / 3],
  mixed: [495e12 / 3, 495e12],
  tf32: [495e12, 495e12],
}
/** Milliseconds of PyTorch on an H100, forward and backward, for the four decoders and 100k rows. */
const pytorch: Record<Precision, readonly [number, number]> = {
  fp32: [1.81, 3.58],
  tf32x3: [1.81, 3.58],
  mixed: [1.05, 2.49],
  tf32: [1.05, 2.49],
}

interface Way {
  precision: Precision
  fused?: boolean
}

const cudaWays: readonly Way[] = [
  { precision: 'fp32' },
  ...(['tf32x3', 'mixed', 'tf32'] as const).flatMap((precision) =>
    [false, true].map((fused) => ({ precision, fused })),
  ),
]

export const benchmark: Benchmark = {
  name: 'decoders on GPUs',
  description:
    'The four decoders, 128 features and 10 Gaussians, and the network of the field, 64-128-64. The floor counts products ' +
    'only: 2 flops a weight and row forward, 4 backward, at the rate of an H100 data sheet. Forward alone keeps nothing, the ' +
    'other keeps hidden activations. PyTorch works in fp32, or in tf32 for that and mixed. `layers` are ' +
    'kernels that pass hidden activations through memory, where the others fuse them. WebGPU has fp32 only.',
  run: (effort) =>
    onGpus(async (device) => {
      const rows: Row[] = []
      const ways: readonly Way[] = device.kind === 'cuda' ? cudaWays : [{ precision: 'fp32' }]
      for (const count of [63_000, 100_000, 1_000_000]) {
        for (const way of ways) {
          const rivals = count === 100_000 ? pytorch[way.precision] : null
          rows.push(...(await measure(device, 'decoders', usual, count, way, rivals, effort)))
        }
      }
      for (const way of ways) rows.push(...(await measure(device, 'field', field, 100_000, way, null, effort)))
      return rows
    }),
}

async function measure(
  device: Gpu,
  name: string,
  config: HeadsConfig,
  count: number,
  way: Way,
  rivals: readonly [number, number] | null,
  effort: Effort,
): Promise<Row[]> {
  using _ = device.scope()
  const { precision, fused } = way
  const label = fused === false ? `${precision}, layers` : precision
  const heads = await createHeads(device, config, way)
  const parameters = uploadParameters(device, config, initialParameters(config, 'linear', 1))
  const gradients = zeroParameters(device, config)
  const x = device.from(noise(count * config.inputs), [count, config.inputs])
  const v = config.heads.map(({ outputs }) => device.from(noise(count * outputs), [count, outputs]))
  const result = heads.forward({ x }, parameters)
  const repeat = Math.max(2, Math.round(2_000_000 / count))
  const time = (work: () => void) => timeOf(device, { work, repeat }, effort)
  const rendering = await time(() => heads.forward({ x }, parameters, 'nothing'))
  const forward = await time(() => heads.forward({ x }, parameters))
  const backward = await time(() => heads.backward({ x }, parameters, result, v, gradients))
  if (device.kind === 'cuda' || device.features.has('timestamp-query')) {
    const kernels = await device.profile(() => {
      using _ = device.scope()
      heads.backward({ x }, parameters, heads.forward({ x }, parameters), v, gradients)
    })
    console.log(`${name}, ${count / 1000}k rows, ${label}`)
    for (const { kernel, milliseconds } of kernels) console.log(`  ${kernel}: ${milliseconds.toFixed(3)} ms`)
  }
  const flops = config.heads.reduce((sum, { hidden, outputs }) => sum + 2 * hidden * (config.inputs + outputs), 0)
  const [forwardRate, backwardRate] = floors[precision]
  const floor = (1e3 * flops * count) / forwardRate
  const floorBack = (2e3 * flops * count) / backwardRate
  const row = (what: string, value: number, floor: number, rival: number | undefined) =>
    withFloor(
      {
        what: `${name}, ${count / 1000}k rows, ${label}: ${what}`,
        value,
        unit: 'ms',
        ratios: rival === undefined ? {} : peers(device, value, { PyTorch: rival }),
      },
      floor,
    )
  return [
    ...row('forward alone', rendering, floor, rivals?.[0]),
    ...row('forward', forward, floor, rivals?.[0]),
    ...row('backward', backward, floorBack, rivals?.[1]),
  ]
}

/** Normal numbers that repeat: a million times as many are made in no time. */
function noise(length: number): Float32Array<ArrayBuffer> {
  const random = createRandom(1)
  const some = Float32Array.from({ length: 65_521 }, () => random.normal())
  const all = new Float32Array(length)
  for (let at = 0; at < length; at += some.length) all.set(some.subarray(0, length - at), at)
  return all
}
