import { IoError } from '../errors.js'
import { requireColumn } from './points.js'
import { plyElement, readPly } from './read.js'
import type { PlyColumn } from './types.js'
import { writePly } from './write.js'

/** Gaussians in plain units. */
export interface GaussianCloud {
  /** [count, 3] world units */
  readonly means: Float32Array
  /** [count, 3] standard deviations in world units, above 0 */
  readonly scales: Float32Array
  /** [count, 4] w x y z, of any length but 0 */
  readonly rotations: Float32Array
  /** [count] 0 to 1 */
  readonly opacities: Float32Array
  /** [count, 3] 0 to 1 */
  readonly colors: Float32Array
}

/** The constant term of the real spherical harmonics, 1 / (2 sqrt(pi)). */
export const sh0 = 0.28209479177387814
/** Logits and logarithms are kept finite: viewers drop Gaussians with infinities. */
const smallest = 1e-7

/**
 * A PLY file as viewers of 3D Gaussian splats read it: x y z, nx ny nz (0), f_dc_0..2 with `color = 0.5 + sh0 f_dc`,
 * opacity as logit, scale as natural logarithm, rot as w x y z of length 1.
 */
export function writeGaussianPly(cloud: GaussianCloud, comments: readonly string[] = []): Uint8Array {
  const { means, scales, rotations, opacities, colors } = cloud
  const count = checkGaussians(cloud)
  const column = (name: string, value: (i: number) => number): PlyColumn => {
    const values = new Float32Array(count)
    for (let i = 0; i < count; i++) {
      const number = value(i)
      if (!Number.isFinite(number))
        throw new IoError(`Gaussian ${i}: ${name} is ${number}; only finite values can be written`)
      values[i] = number
    }
    return { name, type: 'float32', values }
  }
  const length = (i: number) =>
    Math.hypot(rotations[i * 4]!, rotations[i * 4 + 1]!, rotations[i * 4 + 2]!, rotations[i * 4 + 3]!)
  const logit = (p: number) => {
    const inside = Math.min(1 - smallest, Math.max(smallest, p))
    return Math.log(inside / (1 - inside))
  }
  const columns = [
    ...['x', 'y', 'z'].map((name, c) => column(name, (i) => means[i * 3 + c]!)),
    ...['nx', 'ny', 'nz'].map((name) => column(name, () => 0)),
    ...[0, 1, 2].map((c) => column(`f_dc_${c}`, (i) => (colors[i * 3 + c]! - 0.5) / sh0)),
    column('opacity', (i) => logit(opacities[i]!)),
    ...[0, 1, 2].map((c) => column(`scale_${c}`, (i) => Math.log(Math.max(Number.MIN_VALUE, scales[i * 3 + c]!)))),
    ...[0, 1, 2, 3].map((c) => column(`rot_${c}`, (i) => rotations[i * 4 + c]! / length(i))),
  ]
  return writePly({ comments, elements: [{ name: 'vertex', count, columns }] })
}

/** The number of Gaussians; throws when the arrays are not of one length or hold what no file can. */
export function checkGaussians({ means, scales, rotations, opacities, colors }: GaussianCloud): number {
  const count = opacities.length
  for (const [name, values, width] of [
    ['means', means, 3],
    ['scales', scales, 3],
    ['rotations', rotations, 4],
    ['opacities', opacities, 1],
    ['colors', colors, 3],
  ] as const) {
    if (values.length !== count * width)
      throw new IoError(`${name} must be [${count}, ${width}] as opacities are [${count}], got ${values.length} values`)
    const wrong = values.findIndex((value) => !Number.isFinite(value))
    if (wrong >= 0) {
      const where = `Gaussian ${Math.floor(wrong / width)}: ${name} is ${values[wrong]}`
      throw new IoError(`${where}; only finite values can be written`)
    }
  }
  for (let i = 0; i < count; i++) {
    const [w, x, y, z] = [rotations[i * 4]!, rotations[i * 4 + 1]!, rotations[i * 4 + 2]!, rotations[i * 4 + 3]!]
    if (!(w * w + x * x + y * y + z * z > 0)) throw new IoError(`Gaussian ${i}: its rotation has no length`)
  }
  return count
}

/** The Gaussians of such a file in plain units. Spherical harmonics above the constant are ignored. */
export function readGaussianPly(bytes: Uint8Array, file = 'ply'): GaussianCloud {
  const vertex = plyElement(readPly(bytes, file), 'vertex', file)
  const gather = (names: readonly string[], map: (value: number) => number): Float32Array => {
    const out = new Float32Array(vertex.count * names.length)
    names.forEach((name, c) => {
      const { values } = requireColumn(vertex, name, file)
      for (let i = 0; i < vertex.count; i++) out[i * names.length + c] = map(values[i]!)
    })
    return out
  }
  const same = (value: number) => value
  return {
    means: gather(['x', 'y', 'z'], same),
    scales: gather(['scale_0', 'scale_1', 'scale_2'], Math.exp),
    rotations: gather(['rot_0', 'rot_1', 'rot_2', 'rot_3'], same),
    opacities: gather(['opacity'], (value) => 1 / (1 + Math.exp(-value))),
    colors: gather(['f_dc_0', 'f_dc_1', 'f_dc_2'], (value) => 0.5 + sh0 * value),
  }
}
