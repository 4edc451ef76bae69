import type { View } from '@clipgstream/camera'
import { rasterizerConfig } from '@clipgstream/rasterizer'
import { CudaRasterizer } from '@clipgstream/rasterizer-cuda'
import type { CudaDevice } from '@clipgstream/tensor/cuda'
import type { Benchmark, Effort, Row } from './bench.js'
import { gpuTime, onGpu, peers } from './gpu.js'
import { numpyRandom } from './numpy.js'

/** Milliseconds forward and backward of gsplat at its head of August 2026, fast math, on an H100 80GB HBM3. */
const gsplat: Readonly<Record<string, readonly [number, number]>> = {
  '1352x1014, 200k': [1.46, 1.73],
  '1352x1014, 1000k': [1.27, 2.53],
  '1352x1014, 3000k': [2.06, 2.86],
  '1920x1080, 200k': [0.9, 2.06],
  '1920x1080, 1000k': [1.56, 3.13],
  '1920x1080, 3000k': [2.75, 3.59],
}
const sizes = [
  [1352, 1014],
  [1920, 1080],
] as const
const counts = [200_000, 1_000_000, 3_000_000]

export const benchmark: Benchmark = {
  name: 'rasterizer on CUDA',
  description:
    'The random scenes that gsplat was measured on (numpy default_rng(0)): uniform over the image and a tenth around it, ' +
    'depths 2 to 10, scales log-normal around 0.012, opacities sigmoid(Normal(-1, 1.5)), focal length 0.9 times the ' +
    'width. GPU time by events; gsplat in another run on an H100.',
  run: (effort) =>
    onGpu(async (device) => {
      const rows: Row[] = []
      let [ours, theirs] = [0, 0]
      const gradients = sizes.map(([width, height]) => drawGradient(width, height))
      for (const gaussians of counts) {
        const draws = drawScene(gaussians)
        for (const [i, [width, height]] of sizes.entries()) {
          const name = `${width}x${height}, ${gaussians / 1000}k`
          const gradient = gradients[i] ?? new Float32Array()
          const times = await measure(device, name, draws, gradient, width, height, effort)
          for (const [k, pass] of (['forward', 'backward'] as const).entries()) {
            const theirTime = gsplat[name]?.[k] ?? Number.NaN
            const ratios = peers(device, times[pass], { gsplat: theirTime })
            rows.push({ what: `${name}: ${pass}`, value: times[pass], unit: 'ms', ratios })
            ours += times[pass]
            theirs += theirTime
          }
        }
      }
      rows.push({ what: 'sum of all', value: ours, unit: 'ms', ratios: peers(device, ours, { gsplat: theirs }) })
      return rows
    }),
}

async function measure(
  device: CudaDevice,
  name: string,
  draws: Draws,
  gradient: Float32Array<ArrayBuffer>,
  width: number,
  height: number,
  effort: Effort,
): Promise<{ forward: number; backward: number }> {
  using _ = device.scope()
  const rasterizer = await CudaRasterizer.create(device, rasterizerConfig())
  const n = draws.opacities.length
  const worldToCamera = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
  const view: View = {
    width,
    height,
    fx: 0.9 * width,
    fy: 0.9 * width,
    cx: width / 2,
    cy: height / 2,
    worldToCamera,
  }
  const inputs = {
    means: device.from(meansOf(draws, view), [n, 3]),
    quats: device.from(draws.quats, [n, 4]),
    scales: device.from(draws.scales, [n, 3]),
    opacities: device.from(draws.opacities),
    colors: device.from(draws.colors, [n, 3]),
  }
  const vImage = device.from(gradient, [height, width, 3])
  const forward = () => rasterizer.forward(inputs, view)
  // The first pass guesses how many pairs there are, the later ones know.
  const pairs = await rasterizer.observe(rasterizer.forward(inputs, view))
  const overflows = rasterizer.overflows
  const result = rasterizer.forward(inputs, view)
  const backward = () => rasterizer.backward(inputs, view, result, { vImage })
  const times = {
    forward: await gpuTime(device, { work: forward, repeat: 10 }, effort),
    backward: await gpuTime(device, { work: backward, repeat: 10 }, effort),
  }

  const radii = await result.radii.read()
  const visible = radii.reduce((sum, radius) => sum + (radius > 0 ? 1 : 0), 0)
  console.log(`${name}: ${visible} visible, ${(pairs / visible).toFixed(2)} tile pairs each, ${overflows} overflows`)
  for (const work of [forward, backward]) {
    using _ = device.scope()
    const kernels = await device.profile(work)
    console.log(`  ${kernels.map(({ kernel, milliseconds }) => `${kernel} ${milliseconds.toFixed(3)}`).join(', ')} ms`)
  }
  if (rasterizer.overflows > overflows) throw new Error(`${name}: passes that were timed had too short lists`)
  return times
}

/** Of the image, as the peers had it. */
function drawGradient(width: number, height: number): Float32Array<ArrayBuffer> {
  const random = numpyRandom(1)
  return Float32Array.from({ length: 3 * width * height }, () => random.normal() / (width * height))
}

interface Draws {
  /** Uniform, in [0, 1). */
  u: Float64Array
  v: Float64Array
  depths: Float64Array
  quats: Float32Array<ArrayBuffer>
  scales: Float32Array<ArrayBuffer>
  opacities: Float32Array<ArrayBuffer>
  colors: Float32Array<ArrayBuffer>
}

/** In the order of the draws. */
function drawScene(n: number): Draws {
  const random = numpyRandom(0)
  const uniforms = () => Float64Array.from({ length: n }, random.uniform)
  const u = uniforms()
  const v = uniforms()
  const depths = uniforms().map((value) => 2 + 8 * value)
  const scales = Float32Array.from({ length: 3 * n }, () => Math.exp(Math.log(0.012) + 0.5 * random.normal()))
  const quats = new Float32Array(4 * n)
  for (let i = 0; i < n; i++) {
    const quat = [random.normal(), random.normal(), random.normal(), random.normal()]
    const norm = Math.hypot(...quat)
    for (let k = 0; k < 4; k++) quats[4 * i + k] = (quat[k] ?? 0) / norm
  }
  const opacities = Float32Array.from({ length: n }, () => 1 / (1 + Math.exp(1 - 1.5 * random.normal())))
  const colors = Float32Array.from({ length: 3 * n }, random.uniform)
  return { u, v, depths, quats, scales, opacities, colors }
}

function meansOf({ u, v, depths }: Draws, { width, height, fx }: View): Float32Array<ArrayBuffer> {
  const means = new Float32Array(3 * u.length)
  for (let i = 0; i < u.length; i++) {
    const z = depths[i] ?? 0
    means[3 * i] = (((1.2 * (u[i] ?? 0) - 0.1) * width - width / 2) * z) / fx
    means[3 * i + 1] = (((1.2 * (v[i] ?? 0) - 0.1) * height - height / 2) * z) / fx
    means[3 * i + 2] = z
  }
  return means
}
