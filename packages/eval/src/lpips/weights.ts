import { readSafetensors, toFloat32, writeSafetensors } from '@clipgstream/io'
import { ClipgstreamError } from '@clipgstream/tensor'
import { expectedTensors, type LpipsNet, lpipsNets } from './nets.js'

/** Parameters of one backbone and its heads, by the names of torchvision and LPIPS. */
export interface LpipsWeights {
  readonly net: LpipsNet
  readonly tensors: ReadonlyMap<string, WeightTensor>
}

export interface WeightTensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** LPIPS weights are not what they should be. */
export class LpipsWeightsError extends ClipgstreamError {
  constructor(
    readonly file: string,
    readonly reason: string,
  ) {
    super(`${file}: ${reason}`)
  }
}

/**
 * Picks the tensors of `net` out of `tensors` and checks names, shapes and values. Others (a classifier, a scaling layer)
 * are left out. `file` is for messages.
 */
export function checkLpipsWeights(
  net: LpipsNet,
  tensors: ReadonlyMap<string, WeightTensor>,
  file = 'LPIPS weights',
): LpipsWeights {
  const picked = new Map<string, WeightTensor>()
  for (const [name, shape] of expectedTensors(net)) {
    const found = tensors.get(name)
    if (!found) throw new LpipsWeightsError(file, `lpips-${net} needs the tensor ${name}, which is not there`)
    if (found.shape.join() !== shape.join()) {
      throw new LpipsWeightsError(
        file,
        `${name} must have shape [${shape.join(', ')}] for lpips-${net}, got [${found.shape.join(', ')}]`,
      )
    }
    const size = shape.reduce((product, extent) => product * extent, 1)
    if (found.data.length !== size) {
      throw new LpipsWeightsError(file, `${name} must have ${size} values, got ${found.data.length}`)
    }
    if (!found.data.every(Number.isFinite)) throw new LpipsWeightsError(file, `${name} has values that are not finite`)
    picked.set(name, found)
  }
  return { net, tensors: picked }
}

/**
 * Reads the one layout that this package keeps: a safetensors file with the tensors of {@link LpipsWeights} as F32 and
 * the metadata `net` and `lpips`, the version of the heads.
 */
export function readLpipsWeights(bytes: Uint8Array, file = 'LPIPS weights'): LpipsWeights {
  const { metadata, tensors } = readSafetensors(bytes, file)
  const net = lpipsNets.find((name) => name === metadata.get('net'))
  if (!net) {
    throw new LpipsWeightsError(
      file,
      `the metadata key net must be one of ${lpipsNets.join(', ')}, got ${metadata.get('net') ?? 'none'}; ` +
        'write it, or convert the official files with `convertLpipsWeights`',
    )
  }
  const version = metadata.get('lpips')
  if (version !== undefined && version !== '0.1') {
    throw new LpipsWeightsError(file, `the heads must be of LPIPS 0.1, got ${version}`)
  }
  const floats = new Map<string, WeightTensor>()
  for (const name of expectedTensors(net).keys()) {
    const tensor = tensors.get(name)
    if (tensor) floats.set(name, { shape: tensor.shape, data: toFloat32(tensor) })
  }
  return checkLpipsWeights(net, floats, file)
}

/** The file of {@link readLpipsWeights}. Equal weights give equal bytes. */
export function writeLpipsWeights({ net, tensors }: LpipsWeights): Uint8Array {
  const arrays = [...tensors].map(([name, { shape, data }]) => [name, { dtype: 'F32', shape, data }] as const)
  return writeSafetensors(new Map(arrays), { net, lpips: '0.1' })
}
