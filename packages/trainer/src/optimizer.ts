import type { HeadParameters } from '@clipgstream/decoders'
import {
  type AdamSettings,
  type AdamState,
  adamRates,
  constantSchedule,
  coolingSchedule,
  exponentialSchedule,
  type Schedule,
} from '@clipgstream/optimizers'
import type { Device, Tensor } from '@clipgstream/tensor'
import { stepsOf } from './clips.js'
import type { Config } from './config.js'
import { type ClipModel, headTensors } from './model.js'
import { decoderNames, type TrainingOperators } from './operators.js'

/** One trained tensor with its gradient and moments. */
export interface ParameterGroup {
  name: string
  parameter: Tensor<'f32'>
  gradient: Tensor<'f32'>
  state: AdamState
  copy: Tensor<'f16'> | null
  /** Rows that are trained. */
  rows: readonly [number, number]
  learningRate: Schedule
  settings: AdamSettings
}

/** Gradient buffers in the shape of the model; null where it is frozen. */
export interface ClipGradients {
  staticFeatures: Tensor<'f32'> | null
  logScaling: Tensor<'f32'> | null
  decoders: readonly HeadParameters[] | null
  field: { table: Tensor<'f32'>; net: HeadParameters }
  colors: Tensor<'f32'> | null
}

/** What of a clip is trained, and how fast. Owns gradients and moments, not the parameters. */
export class ClipOptimizer implements Disposable {
  readonly groups: readonly ParameterGroup[]
  readonly gradients: ClipGradients
  readonly #rates: Tensor<'f32'> // [groups, 2]

  /** `extent` is the scene extent that the field's rate is multiplied by. */
  constructor(
    private readonly operators: TrainingOperators,
    model: ClipModel,
    private readonly config: Config['optimizer'],
    extent: number,
    colorRate: number,
  ) {
    const { device, adam } = operators
    const { rates, beta1, beta2, epsilon, fieldEpsilon, lazyTable: lazy, fieldGradientLimit: gradientLimit } = config
    const steps = stepsOf(config)
    const cooling = { ...config.cooldown, steps }
    const groups: ParameterGroup[] = []
    this.groups = groups
    const train = (
      name: string,
      parameter: Tensor<'f32'>,
      learningRate: Schedule,
      { lazy = false, ...settings }: Pick<AdamSettings, 'epsilon' | 'lazy' | 'gradientLimit'>,
      first = 0,
      copy: Tensor<'f16'> | null = null,
    ): Tensor<'f32'> => {
      const gradient = zerosLike(device, parameter, name)
      const rows = [first, parameter.shape[0] ?? 0] as const
      const all = { ...settings, lazy, beta1, beta2, rows }
      groups.push({
        name,
        parameter,
        gradient,
        state: adam.state(parameter),
        copy,
        rows,
        learningRate: coolingSchedule(learningRate, cooling),
        settings: all,
      })
      return gradient
    }
    const head = (
      name: string,
      parameters: HeadParameters,
      ...how: [Schedule, Pick<AdamSettings, 'epsilon' | 'gradientLimit'>]
    ) => {
      const gradients = new Map(headTensors(name, parameters).map(([key, tensor]) => [key, train(key, tensor, ...how)]))
      const of = (key: string) => gradients.get(`${name}.${key}`)
      const w1 = of('w1')
      const w2 = of('w2')
      if (!w1 || !w2) throw new Error(`${name} has no weights`)
      return { w1, b1: of('b1') ?? null, w2, b2: of('b2') ?? null }
    }

    const inClip = { epsilon }
    const decaying = ({ initial, final }: { initial: number; final: number }, scale = 1) =>
      exponentialSchedule({
        initial: scale * initial,
        final: scale * final,
        maxSteps: config.decaySteps ?? steps,
      })
    const fieldRate = decaying(rates.field, extent)
    const { table, halfTable, net } = model.field
    const owns = model.count > model.inherited
    this.gradients = {
      staticFeatures: owns
        ? train('staticFeatures', model.staticFeatures, decaying(rates.staticFeatures), inClip, model.inherited)
        : null,
      logScaling: owns
        ? train('logScaling', model.anchors.logScaling, decaying(rates.scaling), inClip, model.inherited)
        : null,
      decoders: model.inheritsDecoders
        ? null
        : decoderNames.map((name, i) => head(name, model.decoders[i]!, decaying(rates[name]), inClip)),
      field: {
        net: head('field', net, fieldRate, { epsilon: fieldEpsilon, gradientLimit }),
        table: train('field.table', table, fieldRate, { epsilon: fieldEpsilon, gradientLimit, lazy }, 0, halfTable),
      },
      colors: model.colors && train('colors', model.colors, constantSchedule(colorRate), inClip),
    }
    this.#rates = device.zeros([groups.length, 2], 'f32', 'rates')
  }

  /** Adam on every group; gradients are zero afterwards. `iteration` counts from 0. */
  step(iteration: number): void {
    this.setRates(iteration)
    this.update()
  }

  /** Puts the rates of an iteration on the device, for the updates that follow. */
  setRates(iteration: number): void {
    const { beta1, beta2 } = this.config
    const step = iteration + 1
    const rates = this.groups.map(({ learningRate }) => ({ learningRate: learningRate(iteration), step, beta1, beta2 }))
    this.operators.device.write(this.#rates, adamRates(rates))
  }

  /** Adam with the rates that are on the device. */
  update(): void {
    this.operators.adam.stepAll(this.groups, this.#rates)
  }

  /** Trained numbers. */
  get parameters(): number {
    return this.groups.reduce((sum, { parameter, rows: [from, to] }) => {
      const row = parameter.size / Math.max(parameter.shape[0] ?? 1, 1)
      return sum + row * (to - from)
    }, 0)
  }

  [Symbol.dispose](): void {
    for (const { gradient, state } of this.groups) for (const tensor of [gradient, state.m, state.v]) tensor.dispose()
    this.#rates.dispose()
  }
}

function zerosLike(device: Device, tensor: Tensor<'f32'>, name: string): Tensor<'f32'> {
  return device.zeros(tensor.shape, 'f32', `gradient of ${name}`)
}
