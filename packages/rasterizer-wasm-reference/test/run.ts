// One pass from host to host.
import type { View } from '@clipgstream/camera'
import type { Background, Rasterizer, RasterizerConfig, RasterOutputGradients } from '@clipgstream/rasterizer'
import { createRasterizer } from '@clipgstream/rasterizer-wasm-reference'
import type { Device, Random } from '@clipgstream/tensor'
import type { Scene, VOutputs } from './oracle.js'
import { upload } from './scene.js'

export interface Problem {
  scene: Scene
  view: View
  config?: Partial<RasterizerConfig>
  background?: Background
  count?: number
}

type Create = (device: Device, config?: Partial<RasterizerConfig>) => Promise<Rasterizer>

/** Image, alpha, depth and radii of a problem; nothing stays on the device. */
export async function forward(device: Device, problem: Problem, create: Create = createRasterizer) {
  const { scene, view, config, background, count } = problem
  const rasterizer = await create(device, config)
  const scope = device.scope()
  try {
    const { image, alpha, depth, radii } = rasterizer.forward(upload(device, scene, count), view, background)
    return {
      image: await image.read(),
      alpha: await alpha.read(),
      depth: await depth.read(),
      radii: await radii.read(),
    }
  } finally {
    scope[Symbol.dispose]()
  }
}

/** Gradients of a problem; nothing stays on the device. */
export async function backward(device: Device, problem: Problem, v: VOutputs, create: Create = createRasterizer) {
  const { scene, view, config, background, count } = problem
  const { width, height } = view
  const rasterizer = await create(device, config)
  const scope = device.scope()
  try {
    const inputs = upload(device, scene, count)
    const result = rasterizer.forward(inputs, view, background)
    const tensor = (values: Float64Array, shape: readonly number[]) => device.from(Float32Array.from(values), shape)
    const vOutputs: RasterOutputGradients = { vImage: tensor(v.vImage, [height, width, 3]) }
    if (v.vAlpha) vOutputs.vAlpha = tensor(v.vAlpha, [height, width])
    if (v.vDepth) vOutputs.vDepth = tensor(v.vDepth, [height, width])
    const gradients = rasterizer.backward(inputs, view, result, vOutputs, background)
    return {
      vMeans: await gradients.vMeans.read(),
      vQuats: await gradients.vQuats.read(),
      vScales: await gradients.vScales.read(),
      vOpacities: await gradients.vOpacities.read(),
      vColors: await gradients.vColors.read(),
      vMeans2d: await gradients.vMeans2d.read(),
    }
  } finally {
    scope[Symbol.dispose]()
  }
}

/** Standard normal gradients of all outputs, rounded to f32. */
export function randomVOutputs(random: Random, { width, height }: View): Required<VOutputs> {
  const normals = (n: number) => Float64Array.from({ length: n }, () => Math.fround(random.normal()))
  return {
    vImage: normals(width * height * 3),
    vAlpha: normals(width * height),
    vDepth: normals(width * height),
  }
}
