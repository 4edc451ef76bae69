import type { HeadParameters } from '@clipgstream/decoders'
import type { AnchorInputs, Bounds } from '@clipgstream/gaussians'
import type { Tensor } from '@clipgstream/tensor'

/** The spatio-temporal field of one clip: dynamic feature = net(grid(position, time)). */
export interface Field {
  table: Tensor<'f32'> // [E, F]
  /** The table in f16, which is what is read where there is one; Adam writes both. */
  halfTable: Tensor<'f16'> | null // [E, F]
  net: HeadParameters
}

/**
 * Everything that renders one clip, on a device. Rows [0, inherited) of the anchors come from the reference clip and are
 * frozen, as are the decoders when `inheritsDecoders`.
 */
export interface ClipModel extends Disposable {
  readonly clip: number
  /** Anchors, N. */
  readonly count: number
  readonly inherited: number
  readonly inheritsDecoders: boolean
  readonly anchors: AnchorInputs
  readonly staticFeatures: Tensor<'f32'> // [N, Cs]
  /** Opacity, cov, color, offset. */
  readonly decoders: readonly HeadParameters[]
  readonly field: Field
  /** Of all anchors, for the field's input. */
  readonly bounds: Bounds
  /** [training cameras, 3, 4], or null without colour compensation. */
  readonly colors: Tensor<'f32'> | null
}

/** The tensors of a head by name, without absent biases. */
export function headTensors(name: string, { w1, b1, w2, b2 }: HeadParameters): [string, Tensor<'f32'>][] {
  const all = { w1, b1, w2, b2 }
  return Object.entries(all).flatMap(([key, tensor]): [string, Tensor<'f32'>][] =>
    tensor ? [[`${name}.${key}`, tensor]] : [],
  )
}
