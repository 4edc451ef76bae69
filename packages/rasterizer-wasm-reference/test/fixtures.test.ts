// Against what other people's programs computed.
import { readFileSync } from 'node:fs'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, describe, expect, it } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { excess } from './close.js'
import type { Scene } from './oracle.js'
import { forward } from './run.js'
import { emptyScene } from './scene.js'

const device = await createWasmDevice({ threads: 1, poison: true })
afterAll(() => device.dispose())

const vectors = fixture('fixtures/gsplat-vectors')
const checkpoint = fixture('fixtures/reference-checkpoint/parity')

describe.skipIf(!vectors)('images of gsplat', () => {
  it.each(['tiny', 'basic'])('%s case', async (name) => {
    const tensors = readSafetensors(`${vectors}/${name}_case.safetensors`)
    const focal = 123 / 2
    const position = [0.123, 0.456, -8] as const
    const scene = toScene(tensors, position)
    const worldToCamera = [1, 0, 0, -position[0], 0, 1, 0, -position[1], 0, 0, 1, -position[2]]
    const view = { width: 123, height: 82, fx: focal, fy: focal, cx: 61.5, cy: 41, worldToCamera }
    const { image, alpha } = await forward(device, { scene, view, config: { alphaMax: 0.999, near: 0.01 } })
    const rgba = Float32Array.from({ length: 4 * 123 * 82 }, (_, i) =>
      i % 4 === 3 ? alpha[i >> 2]! : image[3 * (i >> 2) + (i % 4)]!,
    )
    expect(excess(rgba, get(tensors, 'out_img'), 1e-5, 0.01)).toBeLessThan(1)
  })
})

const folders = ['clip0_cam10_f02', 'clip0_cam15_f07', 'clip1_cam10_f12', 'clip1_cam15_f17']

describe.skipIf(!checkpoint)('radii of the original', () => {
  it.each(folders)('%s', async (folder) => {
    const path = `${checkpoint}/${folder}`
    const camera = JSON.parse(readFileSync(`${path}/camera.json`, 'utf8')) as {
      width: number
      height: number
      FoVx: number
      FoVy: number
      worldViewTransform: number[][]
      projection: number[][]
    }
    const { width, height } = camera
    const view = {
      width,
      height,
      fx: width / 2 / Math.tan(camera.FoVx / 2),
      fy: height / 2 / Math.tan(camera.FoVy / 2),
      cx: ((1 + camera.projection[2]![0]!) * width) / 2,
      cy: ((1 + camera.projection[2]![1]!) * height) / 2,
      worldToCamera: [0, 1, 2].flatMap((row) => [0, 1, 2, 3].map((column) => camera.worldViewTransform[column]![row]!)),
    }
    const scene = decoded(path)
    const { radii } = await forward(device, { scene, view, config: { extent: 'three-sigma' } })
    const expected = readNpy(`${path}/radii.npy`)
    expect(radii).toHaveLength(expected.length)
    const differences = Array.from(expected, (radius, i) => Math.abs(radius - radii[i]!))
    expect(Math.max(...differences)).toBeLessThanOrEqual(1)
    expect(differences.filter((difference) => difference > 0).length).toBeLessThanOrEqual(0.001 * expected.length)
    expect(expected.filter((radius) => radius > 0).length).toBeGreaterThan(1000)
  })
})

/** Gaussians of the decoders' outputs: 10 an anchor. */
function decoded(path: string): Scene {
  const anchors = readNpy(`${path}/anchor.npy`)
  const scaling = readNpy(`${path}/anchor_scaling.npy`)
  const [opacity, cov, color, offset] = ['opacity', 'cov', 'color', 'offset'].map((name) =>
    readNpy(`${path}/${name}.npy`),
  )
  const scene = emptyScene(opacity!.length)
  for (let i = 0; i < opacity!.length; i++) {
    const anchor = Math.floor(i / 10)
    const quat = cov!.slice(7 * i + 3, 7 * i + 7)
    const norm = Math.hypot(...quat)
    for (let k = 0; k < 3; k++) {
      scene.means[3 * i + k] = anchors[3 * anchor + k]! + offset![3 * i + k]! * scaling[6 * anchor + k]!
      scene.scales[3 * i + k] = scaling[6 * anchor + 3 + k]! / (1 + Math.exp(-cov![7 * i + k]!))
      scene.colors[3 * i + k] = color![3 * i + k]!
    }
    for (let k = 0; k < 4; k++) scene.quats[4 * i + k] = quat[k]! / norm
    scene.opacities[i] = opacity![i]!
  }
  return scene
}

type Tensors = Map<string, Float32Array>

function get(tensors: Tensors, name: string): Float32Array {
  const tensor = tensors.get(name)
  if (!tensor) throw new Error(`the file has no ${name}`)
  return tensor
}

function readSafetensors(path: string): Tensors {
  const file = readFileSync(path)
  const length = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', 8, 8 + length)) as Record<string, { data_offsets: [number, number] }>
  const tensors: Tensors = new Map()
  for (const [name, { data_offsets }] of Object.entries(header)) {
    const [from, to] = data_offsets
    tensors.set(
      name,
      new Float32Array(file.buffer.slice(file.byteOffset + 8 + length + from, file.byteOffset + 8 + length + to)),
    )
  }
  return tensors
}

function readNpy(path: string): number[] {
  const file = readFileSync(path)
  const length = file.readUInt16LE(8)
  const header = file.toString('latin1', 10, 10 + length)
  const bytes = file.buffer.slice(file.byteOffset + 10 + length, file.byteOffset + file.length)
  if (header.includes("'<f4'")) return [...new Float32Array(bytes)]
  if (header.includes("'<i4'")) return [...new Int32Array(bytes)]
  throw new Error(`${path}: unknown dtype in ${header}`)
}

function toScene(tensors: Tensors, position: readonly [number, number, number]): Scene {
  const opacities = get(tensors, 'opacities')
  const means = get(tensors, 'means')
  const quats = get(tensors, 'quats')
  const scales = get(tensors, 'scales')
  const coeffs = get(tensors, 'coeffs')
  const scene = emptyScene(opacities.length)
  for (let i = 0; i < opacities.length; i++) {
    scene.opacities[i] = 1 / (1 + Math.exp(-opacities[i]!))
    const mean = [...means.subarray(3 * i, 3 * i + 3)]
    scene.means.set(mean, 3 * i)
    const direction = mean.map((value, k) => value - position[k]!)
    const distance = Math.hypot(...direction)
    const basis = harmonics(direction.map((value) => value / distance))
    const quat = [...quats.subarray(4 * i, 4 * i + 4)]
    for (let k = 0; k < 4; k++) scene.quats[4 * i + k] = quat[k]! / Math.hypot(...quat)
    for (let k = 0; k < 3; k++) {
      scene.scales[3 * i + k] = Math.exp(scales[3 * i + k]!)
      const sum = basis.reduce((total, value, j) => total + value * coeffs[48 * i + 3 * j + k]!, 0)
      scene.colors[3 * i + k] = Math.max(0, sum + 0.5)
    }
  }
  return scene
}

/** Real spherical harmonics up to degree 3 with the signs that Gaussian splatting uses. */
function harmonics(direction: readonly number[]): number[] {
  const [x = 0, y = 0, z = 0] = direction
  return [
    0.28209479177387814,
    ...[-0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x],
    1.0925484305920792 * x * y,
    -1.0925484305920792 * y * z,
    0.31539156525252005 * (2 * z * z - x * x - y * y),
    -1.0925484305920792 * x * z,
    0.5462742152960396 * (x * x - y * y),
    -0.5900435899266435 * y * (3 * x * x - y * y),
    2.890611442640554 * x * y * z,
    -0.4570457994644658 * y * (4 * z * z - x * x - y * y),
    0.3731763325901154 * z * (2 * z * z - 3 * x * x - 3 * y * y),
    -0.4570457994644658 * x * (4 * z * z - x * x - y * y),
    1.445305721320277 * z * (x * x - y * y),
    -0.5900435899266435 * x * (x * x - 3 * y * y),
  ]
}
