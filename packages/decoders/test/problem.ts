// Seeded problems, and running them on a device.
import {
  createHeads,
  type HeadParameters,
  type HeadsConfig,
  initialParameters,
  type Keep,
  type PerParameter,
  type Precision,
  uploadParameters,
  zeroParameters,
} from '@clipgstream/decoders'
import { createRandom, type Device, type Tensor } from '@clipgstream/tensor'

export interface Problem {
  config: HeadsConfig
  rows: number
  x: Float32Array<ArrayBuffer> // [rows, inputs]
  parameters: PerParameter<Float32Array<ArrayBuffer>>[]
  vOutputs: Float32Array<ArrayBuffer>[] // [rows, outputs] a head
}

export function createProblem(config: HeadsConfig, rows: number, seed: number): Problem {
  const random = createRandom(seed)
  const normal = (length: number) => Float32Array.from({ length }, () => random.normal())
  return {
    config,
    rows,
    x: normal(rows * config.inputs),
    parameters: initialParameters(config, config.biases ? 'linear' : 'xavier', seed + 1),
    vOutputs: config.heads.map(({ outputs }) => normal(rows * outputs)),
  }
}

export interface SolveOptions {
  keep?: Keep
  precision?: Precision
  fused?: boolean
  /** Rows in use, with a count tensor; all, without one, when left out. */
  count?: number
  frozen?: boolean
  /** Times that backward adds to the same gradients. */
  repeat?: number
}

/** Outputs by head name, then `vX` and gradients as `vOpacity.w1`, of the rows in use. */
export async function solve(
  device: Device,
  problem: Problem,
  options: SolveOptions = {},
): Promise<Record<string, Float32Array<ArrayBufferLike>>> {
  const { config, rows } = problem
  const { keep, count, frozen = false, repeat = 1, precision, fused = true } = options
  const heads = await createHeads(device, config, { fused, ...(precision ? { precision } : {}) })
  using _scope = device.scope()
  const inputs = {
    x: device.from(problem.x, [rows, config.inputs]),
    ...(count === undefined ? {} : { count: device.from(Uint32Array.of(count)) }),
  }
  const parameters = uploadParameters(device, config, problem.parameters)
  const vOutputs = problem.vOutputs.map((v, i) => device.from(v, [rows, config.heads[i]!.outputs]))
  const vParameters = frozen ? null : zeroParameters(device, config)
  const result = heads.forward(inputs, parameters, keep)
  let vX = heads.backward(inputs, parameters, result, vOutputs, vParameters)
  for (let i = 1; i < repeat; i++) vX = heads.backward(inputs, parameters, result, vOutputs, vParameters)
  const used = (tensor: Tensor<'f32'>) => device.read(tensor, 0, Math.min(count ?? rows, rows) * (tensor.shape[1] ?? 1))
  const values: Record<string, Float32Array<ArrayBufferLike>> = {}
  for (const [i, { name }] of config.heads.entries()) values[name] = await used(result.outputs[i]!)
  values['vX'] = await used(vX)
  for (const [i, gradients] of (vParameters ?? []).entries()) {
    for (const [key, tensor] of present(gradients))
      values[`v${capital(config.heads[i]!.name)}.${key}`] = await tensor.read()
  }
  return values
}

export function present(parameters: HeadParameters): [string, Tensor<'f32'>][] {
  return Object.entries(parameters).filter((entry): entry is [string, Tensor<'f32'>] => entry[1] !== null)
}

export function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}

/** The problem of the first rows alone. */
export function firstRows(problem: Problem, rows: number): Problem {
  return {
    ...problem,
    rows,
    x: problem.x.slice(0, rows * problem.config.inputs),
    vOutputs: problem.vOutputs.map((v, i) => v.slice(0, rows * problem.config.heads[i]!.outputs)),
  }
}
