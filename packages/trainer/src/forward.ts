import type { View } from '@clipgstream/camera'
import type { HeadsResult, Keep } from '@clipgstream/decoders'
import type { DecodedAnchors, FeatureCombination, Gaussians, VisibleAnchors } from '@clipgstream/gaussians'
import type { Tensor } from '@clipgstream/tensor'
import type { Config } from './config.js'
import type { ClipModel } from './model.js'
import type { SceneOperators } from './operators.js'

/** What decoding the visible anchors at a time gave, with what its backward pass needs. */
export interface DecodedFrame {
  visible: VisibleAnchors
  points: Tensor<'f32'> // [N, 4]
  encoded: Tensor<'f32'> // [N, L F]
  dynamic: HeadsResult
  features: Tensor<'f32'> // [N, C]
  heads: HeadsResult
  decoded: DecodedAnchors
  gaussians: Gaussians
}

/**
 * Gaussians of the `visible` anchors at `time`, which may lie on the device // [1]; `keep` what a backward pass needs.
 * Tensors belong to the open scope.
 */
export function decodeFrame(
  { anchors, grid, fieldNet, decoders }: SceneOperators,
  model: ClipModel,
  how: FeatureCombination,
  visible: VisibleAnchors,
  time: number | Tensor<'f32'>,
  keep: Keep,
): DecodedFrame {
  const { count } = visible
  const points = anchors.fieldPoints(model.anchors, visible, model.bounds, time)
  const encoded = grid.forward({ points, count }, model.field.halfTable ?? model.field.table)
  const dynamic = fieldNet.forward({ x: encoded, count }, [model.field.net], keep)
  const features = anchors.combine(model.staticFeatures, dynamic.outputs[0]!, visible, how)
  const heads = decoders.forward({ x: features, count }, model.decoders, keep)
  const decoded = namedOutputs(heads.outputs)
  const gaussians = anchors.assemble(model.anchors, visible, decoded)
  return { visible, points, encoded, dynamic, features, heads, decoded, gaussians }
}

/** All anchors, for frames that are decoded without a camera. */
export function allVisible({ device }: SceneOperators, model: ClipModel): VisibleAnchors {
  return {
    indices: device.from(
      Uint32Array.from({ length: model.count }, (_, i) => i),
      [model.count],
      'indices',
    ),
    count: device.from(Uint32Array.of(model.count), [1], 'count'),
  }
}

/** The clip's image of `view` at `time` // [H, W, 3] not clamped; belongs to the scope that is open. */
export function renderView(
  operators: SceneOperators,
  model: ClipModel,
  { rasterizer: { background }, decoders: { combination } }: Pick<Config, 'rasterizer' | 'decoders'>,
  view: View,
  time: number,
): Tensor<'f32'> {
  const visible = operators.anchors.visible(model.anchors, view)
  const { gaussians } = decodeFrame(operators, model, combination, visible, time, 'nothing')
  return operators.rasterizer.forward(gaussians, view, background).image
}

export function namedOutputs(outputs: readonly Tensor<'f32'>[]): DecodedAnchors {
  const [opacity, cov, color, offset] = outputs
  if (!opacity || !cov || !color || !offset) throw new Error('the decoders have four outputs')
  return { opacity, cov, color, offset }
}
