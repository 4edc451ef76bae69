import type { View } from '@clipgstream/camera'
import { defaultRasterizerConfig as config } from '@clipgstream/rasterizer'
import { createRasterizer } from '@clipgstream/rasterizer-wasm-reference'
import { createRandom } from '@clipgstream/tensor'
import type { WasmDevice } from '@clipgstream/tensor/wasm'
import { agreeWith } from './agree.js'
import { atMost, type Benchmark, compareTimes, type Effort, type Prepared, type Row } from './bench.js'
import { plainRender, plainRenderBackward } from './plain/rasterizer.js'
import type { SplatScene } from './plain/splats.js'
import { inMilliseconds, threadRows, withThreads } from './threads.js'

export const benchmark: Benchmark = {
  name: 'rasterizer',
  description:
    'Random splats, uniform over the image and a tenth around it, at depths 2 to 10, scales log-normal around 0.012, ' +
    'opacities sigmoid(Normal(-1, 1.5)); focal length 0.9 times the width. Gradients of everything.',
  async run(effort) {
    return [
      ...(await compare(160, 90, 20_000, effort)),
      ...(await compare(640, 360, 20_000, effort)),
      ...(await compare(640, 360, 200_000, atMost(5, effort))),
    ]
  },
}

async function compare(width: number, height: number, gaussians: number, effort: Effort): Promise<Row[]> {
  const view = frontView(width, height)
  const scene = randomScene(gaussians, view)
  const random = createRandom(1)
  const gradient = Float32Array.from({ length: 3 * width * height }, () => random.normal() / (width * height))

  const setUp = async (device: WasmDevice) => {
    const rasterizer = await createRasterizer(device)
    const inputs = {
      means: device.from(scene.means, [gaussians, 3]),
      quats: device.from(scene.quats, [gaussians, 4]),
      scales: device.from(scene.scales, [gaussians, 3]),
      opacities: device.from(scene.opacities),
      colors: device.from(scene.colors, [gaussians, 3]),
    }
    const vImage = device.from(gradient, [height, width, 3])
    const forward = () => rasterizer.forward(inputs, view)
    const backward = (result: ReturnType<typeof forward>) => rasterizer.backward(inputs, view, result, { vImage })
    return { device, forward, backward }
  }
  type Set = Awaited<ReturnType<typeof setUp>>
  const timeForward = ({ device, forward }: Set) => {
    using _ = device.scope()
    forward()
  }
  /** Every time after a forward pass of its own, which is not timed. */
  const timeBackward = ({ device, forward, backward }: Set): Prepared => {
    let scope = device.scope()
    let result = forward()
    return {
      prepare() {
        scope[Symbol.dispose]()
        scope = device.scope()
        result = forward()
      },
      work: () => backward(result),
    }
  }
  return withThreads(setUp, async ({ one, two }) => {
    const rendered = plainRender(scene, view, config)
    const plainBackward = () => plainRenderBackward(scene, view, config, rendered, gradient)
    {
      using _ = one.device.scope()
      const result = one.forward()
      await agreeWith(result.image, rendered.image, 'image', 1e-5)
      const ours = one.backward(result)
      const expected = plainBackward()
      for (const name of ['vColors', 'vOpacities', 'vScales', 'vQuats', 'vMeans'] as const)
        await agreeWith(ours[name], expected[name], name, 1e-4)
    }
    const forward = await compareTimes(
      { one: () => timeForward(one), two: () => timeForward(two), plain: () => plainRender(scene, view, config) },
      effort,
    )
    const backward = await compareTimes(
      { one: timeBackward(one), two: timeBackward(two), plain: plainBackward },
      effort,
    )
    const what = `${width}x${height}, ${gaussians / 1000}k splats`
    return [
      ...threadRows(`${what}: forward`, inMilliseconds, forward, { 'plain JS': { time: forward.plain } }),
      ...threadRows(`${what}: backward`, inMilliseconds, backward, { 'plain JS': { time: backward.plain } }),
    ]
  })
}

/** A camera at the origin that looks along z. */
function frontView(width: number, height: number): View {
  const focal = 0.9 * width
  const worldToCamera = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
  return { width, height, fx: focal, fy: focal, cx: width / 2, cy: height / 2, worldToCamera }
}

function randomScene(
  gaussians: number,
  { width, height, fx, cx, cy }: View,
): SplatScene & Record<string, Float32Array<ArrayBuffer>> {
  const random = createRandom(0)
  const rows = (length: number) => new Float32Array(gaussians * length)
  const scene = { means: rows(3), quats: rows(4), scales: rows(3), opacities: rows(1), colors: rows(3) }
  for (let i = 0; i < gaussians; i++) {
    const u = (1.2 * random.uniform() - 0.1) * width
    const v = (1.2 * random.uniform() - 0.1) * height
    const z = 2 + 8 * random.uniform()
    scene.means.set([((u - cx) * z) / fx, ((v - cy) * z) / fx, z], 3 * i)
    const quat = [random.normal(), random.normal(), random.normal(), random.normal()]
    const norm = Math.hypot(...quat)
    for (const [k, value] of quat.entries()) scene.quats[4 * i + k] = value / norm
    for (let k = 0; k < 3; k++) {
      scene.scales[3 * i + k] = Math.exp(Math.log(0.012) + 0.5 * random.normal())
      scene.colors[3 * i + k] = random.uniform()
    }
    scene.opacities[i] = 1 / (1 + Math.exp(1 - 1.5 * random.normal()))
  }
  return scene
}
