import type { HeadsConfig } from '@clipgstream/decoders'
import { parameterShapes } from '@clipgstream/decoders'
import { type NamedArray, readSafetensors, toFloat32, writeSafetensors } from '@clipgstream/io'
import { ClipStreamError } from '../errors.js'
import type { HeadArrays } from '../state.js'

/** Float tensors of one file by name. */
export class TensorFile {
  private constructor(
    readonly path: string,
    private readonly tensors: ReadonlyMap<string, NamedArray>,
    readonly metadata: ReadonlyMap<string, string>,
  ) {}

  static parse(path: string, bytes: Uint8Array): TensorFile {
    const { tensors, metadata } = readSafetensors(bytes, path)
    return new TensorFile(path, tensors, metadata)
  }

  has(name: string): boolean {
    return this.tensors.has(name)
  }

  /** A tensor whose shape is known beforehand; `'*'` matches any extent. */
  floats(name: string, shape: readonly (number | '*')[]): Float32Array {
    const tensor = this.tensors.get(name)
    if (!tensor) throw new ClipStreamError(this.path, `has no tensor ${name}`)
    const fits = tensor.shape.length === shape.length && shape.every((n, i) => n === '*' || n === tensor.shape[i])
    if (!fits) {
      throw new ClipStreamError(this.path, `${name} has shape [${tensor.shape.join(', ')}], not [${shape.join(', ')}]`)
    }
    return toFloat32(tensor)
  }

  /** The parameters of every head of `config`. */
  heads(config: HeadsConfig): HeadArrays[] {
    return parameterShapes(config).map((shapes, i) => {
      const name = config.heads[i]?.name ?? ''
      const optional = (key: 'b1' | 'b2') => shapes[key] && this.floats(`${name}.${key}`, shapes[key])
      return {
        w1: this.floats(`${name}.w1`, shapes.w1),
        b1: optional('b1'),
        w2: this.floats(`${name}.w2`, shapes.w2),
        b2: optional('b2'),
      }
    })
  }
}

export type FloatTensors = Map<string, { shape: readonly number[]; data: Float32Array }>

export function encodeTensors(tensors: FloatTensors, metadata: Record<string, string> = {}): Uint8Array {
  const arrays = new Map<string, NamedArray>()
  for (const [name, { shape, data }] of tensors) arrays.set(name, { dtype: 'F32', shape, data })
  return writeSafetensors(arrays, metadata)
}

/** The parameters of every head as `opacity.w1` and so on. */
export function headEntries(config: HeadsConfig, heads: readonly HeadArrays[]): FloatTensors {
  const tensors: FloatTensors = new Map()
  parameterShapes(config).forEach((shapes, i) => {
    for (const key of ['w1', 'b1', 'w2', 'b2'] as const) {
      const shape = shapes[key]
      const data = heads[i]?.[key]
      if (shape && data) tensors.set(`${config.heads[i]?.name}.${key}`, { shape, data })
    }
  })
  return tensors
}
