// The random scenes that rasterizers were measured on (numpy default_rng(0)), and how a rasterizer is measured on one.
import type { View } from '@clipgstream/camera'
import type { RasterInputs, Rasterizer, RasterResult } from '@clipgstream/rasterizer'
import type { Device, Tensor } from '@clipgstream/tensor'
import { numpyRandom } from './numpy.js'

/** Milliseconds forward and backward of gsplat at its head of August 2026, fast math, on an H100 80GB HBM3. */
export const gsplat: Readonly<Record<string, readonly [number, number]>> = {
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

export const sceneDescription =
  'The random scenes that gsplat was measured on (numpy default_rng(0)): uniform over the image and a tenth around it, ' +
  'depths 2 to 10, scales log-normal around 0.012, opacities sigmoid(Normal(-1, 1.5)), focal length 0.9 times the width.'

export interface RandomScene {
  name: string
  view: View
  draws: Draws
  /** Of the image, as the peers had it. */
  gradient: Float32Array<ArrayBuffer>
}

export function* randomScenes(): Generator<RandomScene> {
  const gradients = sizes.map(([width, height]) => drawGradient(width, height))
  for (const gaussians of counts) {
    const draws = drawScene(gaussians)
    for (const [i, [width, height]] of sizes.entries()) {
      const name = `${width}x${height}, ${gaussians / 1000}k`
      yield { name, view: viewOf(width, height), draws, gradient: gradients[i] ?? new Float32Array() }
    }
  }
}

function viewOf(width: number, height: number): View {
  const worldToCamera = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
  return { width, height, fx: 0.9 * width, fy: 0.9 * width, cx: width / 2, cy: height / 2, worldToCamera }
}

/** What the rasterizers of GPUs have besides. */
export interface ObservedRasterizer extends Rasterizer {
  readonly overflows: number
  observe(result: RasterResult): Promise<number>
}

export interface Timing {
  /** Milliseconds of GPU time that a call takes. */
  time(work: () => void): Promise<number>
  /** GPU time of every kernel, where the device tells. */
  profile?(work: () => void): Promise<readonly { kernel: string; milliseconds: number }[]>
}

/** Milliseconds of a pass forward and of one backward. */
export async function measureScene(
  rasterizer: ObservedRasterizer,
  { name, view, draws, gradient }: RandomScene,
  { time, profile }: Timing,
): Promise<{ forward: number; backward: number }> {
  const { device } = rasterizer
  using _ = device.scope()
  const inputs = upload(device, draws, view)
  const vImage = device.from(gradient, [view.height, view.width, 3])
  const forward = () => rasterizer.forward(inputs, view)
  // The first pass guesses how many pairs there are, the later ones know.
  const pairs = await rasterizer.observe(rasterizer.forward(inputs, view))
  const overflows = rasterizer.overflows
  const result = rasterizer.forward(inputs, view)
  const backward = () => rasterizer.backward(inputs, view, result, { vImage })
  const times = { forward: await time(forward), backward: await time(backward) }

  const radii = await result.radii.read()
  const visible = radii.reduce((sum, radius) => sum + (radius > 0 ? 1 : 0), 0)
  const each = (pairs / visible).toFixed(2)
  console.log(`${name}, ${device.kind}: ${visible} visible, ${each} tile pairs each, ${overflows} overflows`)
  for (const work of profile ? [forward, backward] : []) {
    using _ = device.scope()
    const kernels = (await profile?.(work)) ?? []
    console.log(`  ${kernels.map(({ kernel, milliseconds }) => `${kernel} ${milliseconds.toFixed(3)}`).join(', ')} ms`)
  }
  if (rasterizer.overflows > overflows) throw new Error(`${name}: passes that were timed had too short lists`)
  return times
}

function upload(device: Device, draws: Draws, view: View): RasterInputs {
  const n = draws.opacities.length
  const rows = (values: Float32Array<ArrayBuffer>, width: number): Tensor<'f32'> => device.from(values, [n, width])
  return {
    means: rows(meansOf(draws, view), 3),
    quats: rows(draws.quats, 4),
    scales: rows(draws.scales, 3),
    opacities: device.from(draws.opacities),
    colors: rows(draws.colors, 3),
  }
}

function drawGradient(width: number, height: number): Float32Array<ArrayBuffer> {
  const random = numpyRandom(1)
  return Float32Array.from({ length: 3 * width * height }, () => random.normal() / (width * height))
}

export interface Draws {
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
