import { gridLayout } from '@clipgstream/hashgrid'
import type { Tensor } from '@clipgstream/tensor'
import { z } from 'zod'
import type { Config } from '../config.js'
import { ClipStreamError } from '../errors.js'
import type { Inheritance } from '../initial.js'
import type { ClipModel } from '../model.js'
import { decoderShape, fieldShape, gridShape } from '../operators.js'
import type { ClipOptimizer, ParameterGroup } from '../optimizer.js'
import { type ClipState, noAnchors, readState } from '../state.js'
import { parseJson } from './format.js'
import { encodeTensors, type FloatTensors, headEntries, TensorFile } from './tensors.js'

const point = z.tuple([z.number(), z.number(), z.number()])

/**
 * Where a clip's training stands. Together with the configuration this fixes everything that follows: the learning rates
 * and the order of views are functions of the number of steps done.
 */
const positionSchema = z.strictObject({
  version: z.literal(1),
  clip: z.int().nonnegative(),
  /** Steps done. */
  iteration: z.int().nonnegative(),
  seed: z.int(),
  fingerprint: z.string(),
  /** JSON of the configuration. */
  config: z.string(),
  own: z.int().nonnegative(),
  inheritsAnchors: z.boolean(),
  inheritsDecoders: z.boolean(),
  bounds: z.strictObject({ min: point, max: point }),
})

export type CheckpointPosition = z.infer<typeof positionSchema>

export interface Checkpoint {
  position: CheckpointPosition
  file: TensorFile
}

/** The whole state of a running clip, read from the device, and the first tensor in it that is not finite. */
export async function encodeCheckpoint(
  config: Config,
  fingerprint: string,
  iteration: number,
  model: ClipModel,
  optimizer: ClipOptimizer,
  extra: FloatTensors,
): Promise<{ bytes: Uint8Array; nonFinite: string | null }> {
  const state = await readState(model, noAnchors)
  const tensors = stateTensors(config, state)
  for (const group of optimizer.groups) {
    for (const key of ['m', 'v'] as const) {
      const shape = [group.rows[1] - group.rows[0], ...group.parameter.shape.slice(1)]
      tensors.set(`${key}:${group.name}`, { shape, data: await readRows(group, group.state[key]) })
    }
  }
  for (const [name, tensor] of extra) tensors.set(name, tensor)
  const position: CheckpointPosition = {
    version: 1,
    clip: model.clip,
    iteration,
    seed: config.sampling.seed,
    fingerprint,
    config: JSON.stringify(config),
    own: model.count - model.inherited,
    inheritsAnchors: model.inherited > 0,
    inheritsDecoders: model.inheritsDecoders,
    bounds: { min: [...model.bounds.min], max: [...model.bounds.max] },
  }
  const bytes = encodeTensors(tensors, { position: JSON.stringify(position) })
  return { bytes, nonFinite: firstNonFinite(config, tensors) }
}

/** A checkpoint whose header has been checked; tensors are checked as they are taken. */
export function parseCheckpoint(path: string, bytes: Uint8Array): Checkpoint {
  const file = TensorFile.parse(path, bytes)
  const text = file.metadata.get('position')
  if (text === undefined) throw new ClipStreamError(path, 'is not a checkpoint')
  const parsed = positionSchema.safeParse(parseJson(path, text))
  if (!parsed.success) throw new ClipStreamError(path, `position: ${parsed.error.issues[0]?.message ?? 'not valid'}`)
  return { position: parsed.data, file }
}

/** The clip's state as it was; `reference` gives what the clip inherits. */
export function restoreState(config: Config, { position, file }: Checkpoint, reference: Inheritance | null): ClipState {
  const { own, inheritsAnchors, inheritsDecoders } = position
  if ((inheritsAnchors || inheritsDecoders) && !reference)
    throw new ClipStreamError(file.path, 'needs the reference clip, which this run does not have')
  const [net] = file.heads(fieldShape(config))
  if (!net) throw new ClipStreamError(file.path, 'has no field')
  return {
    clip: position.clip,
    inherited: inheritsAnchors && reference ? reference.anchors : noAnchors,
    own: {
      positions: file.floats('positions', [own, 3]),
      staticFeatures: file.floats('staticFeatures', [own, config.decoders.staticFeatures]),
      logScaling: file.floats('logScaling', [own, 6]),
    },
    decoders: inheritsDecoders && reference ? reference.decoders : file.heads(decoderShape(config)),
    inheritsDecoders,
    field: {
      net,
      table: file.floats('field.table', [gridLayout(gridShape(config.grid)).entries, config.grid.features]),
    },
    bounds: position.bounds,
    colors: config.colorCompensation.enabled ? file.floats('colors', ['*', 3, 4]) : null,
  }
}

/** Puts the moments back. */
export function restoreMoments({ file }: Checkpoint, optimizer: ClipOptimizer): void {
  for (const group of optimizer.groups) {
    const [from, to] = group.rows
    const shape = [to - from, ...group.parameter.shape.slice(1)]
    for (const key of ['m', 'v'] as const) {
      const data = file.floats(`${key}:${group.name}`, shape)
      group.parameter.device.write(group.state[key], data, from * rowSize(group.parameter))
    }
  }
}

/** Everything in a clip's state that is its own, by name. */
export function stateTensors(config: Config, state: ClipState): FloatTensors {
  const { positions, staticFeatures, logScaling } = state.own
  const own = positions.length / 3
  const tensors: FloatTensors = new Map([
    ['positions', { shape: [own, 3], data: positions }],
    ['staticFeatures', { shape: [own, config.decoders.staticFeatures], data: staticFeatures }],
    ['logScaling', { shape: [own, 6], data: logScaling }],
    [
      'field.table',
      { shape: [state.field.table.length / config.grid.features, config.grid.features], data: state.field.table },
    ],
    ...headEntries(fieldShape(config), [state.field.net]),
    ...(state.inheritsDecoders ? [] : headEntries(decoderShape(config), state.decoders)),
  ])
  if (state.colors) tensors.set('colors', { shape: [state.colors.length / 12, 3, 4], data: state.colors })
  return tensors
}

function readRows({ rows: [from, to], parameter }: ParameterGroup, tensor: Tensor<'f32'>): Promise<Float32Array> {
  const row = rowSize(parameter)
  return tensor.device.read(tensor, from * row, (to - from) * row)
}

function rowSize(tensor: Tensor): number {
  const rows = tensor.shape[0] ?? 0
  return rows === 0 ? 0 : tensor.size / rows
}

/** The least number that f16 rounds to infinity. */
const infiniteInF16 = 65520

/** The name of the first tensor with a NaN or an infinity; a table's copy in f16 has one beyond 65504. */
export function firstNonFinite({ execution }: Pick<Config, 'execution'>, tensors: FloatTensors): string | null {
  for (const [name, { data }] of tensors) {
    for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i]!)) return name
  }
  const table = execution.table === 'f16' ? tensors.get('field.table') : undefined
  return table?.data.some((value) => Math.abs(value) >= infiniteInF16) ? 'field.table in f16' : null
}
