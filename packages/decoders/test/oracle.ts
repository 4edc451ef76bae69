// The heads in float64, as plain as the formula.
import type { HeadsConfig, PerParameter } from '@clipgstream/decoders'

export type HostParameters = PerParameter<ArrayLike<number>>

export interface OracleForward {
  /** One a head. // [rows, outputs] */
  outputs: Float64Array[]
  /** One a head. // [rows, hidden] */
  hidden: Float64Array[]
}

export interface OracleBackward {
  vX: Float64Array // [rows, inputs]
  vParameters: PerParameter<Float64Array>[]
}

/** x // [rows, inputs] */
export function forward(
  config: HeadsConfig,
  x: ArrayLike<number>,
  parameters: readonly HostParameters[],
): OracleForward {
  const { inputs, heads } = config
  const rows = x.length / inputs
  const hidden = heads.map((head, i) => {
    const { w1, b1 } = parameters[i]!
    return layer(x, inputs, rows, w1, b1, head.hidden, relu)
  })
  const outputs = heads.map((head, i) => {
    const { w2, b2 } = parameters[i]!
    return layer(hidden[i]!, head.hidden, rows, w2, b2, head.outputs, (value) => {
      if (head.activation === 'relu') return relu(value)
      return head.activation === 'sigmoid' ? 1 / (1 + Math.exp(-value)) : value
    })
  })
  return { outputs, hidden }
}

export function backward(
  config: HeadsConfig,
  x: ArrayLike<number>,
  parameters: readonly HostParameters[],
  vOutputs: readonly ArrayLike<number>[],
): OracleBackward {
  const { inputs, heads } = config
  const rows = x.length / inputs
  const result = forward(config, x, parameters)
  const vX = new Float64Array(rows * inputs)
  const vParameters = heads.map((head, i) => {
    const { w1, w2 } = parameters[i]!
    const hidden = result.hidden[i]!
    const vW1 = new Float64Array(head.hidden * inputs)
    const vB1 = new Float64Array(head.hidden)
    const vW2 = new Float64Array(head.outputs * head.hidden)
    const vB2 = new Float64Array(head.outputs)
    for (let row = 0; row < rows; row++) {
      const vHidden = new Float64Array(head.hidden)
      for (let o = 0; o < head.outputs; o++) {
        const y = result.outputs[i]![row * head.outputs + o]!
        let v = vOutputs[i]![row * head.outputs + o]!
        if (head.activation === 'sigmoid') v *= y * (1 - y)
        if (head.activation === 'relu' && y <= 0) v = 0
        vB2[o]! += v
        for (let h = 0; h < head.hidden; h++) {
          vW2[o * head.hidden + h]! += v * hidden[row * head.hidden + h]!
          vHidden[h]! += v * w2[o * head.hidden + h]!
        }
      }
      for (let h = 0; h < head.hidden; h++) {
        if (hidden[row * head.hidden + h]! <= 0) continue
        vB1[h]! += vHidden[h]!
        for (let k = 0; k < inputs; k++) {
          vW1[h * inputs + k]! += vHidden[h]! * x[row * inputs + k]!
          vX[row * inputs + k]! += vHidden[h]! * w1[h * inputs + k]!
        }
      }
    }
    return { w1: vW1, b1: config.biases ? vB1 : null, w2: vW2, b2: config.biases ? vB2 : null }
  })
  return { vX, vParameters }
}

function relu(value: number): number {
  return Math.max(0, value)
}

function layer(
  x: ArrayLike<number>,
  inputs: number,
  rows: number,
  weights: ArrayLike<number>,
  biases: ArrayLike<number> | null,
  outputs: number,
  activation: (value: number) => number,
): Float64Array {
  const result = new Float64Array(rows * outputs)
  for (let row = 0; row < rows; row++) {
    for (let o = 0; o < outputs; o++) {
      let sum = biases ? biases[o]! : 0
      for (let k = 0; k < inputs; k++) sum += weights[o * inputs + k]! * x[row * inputs + k]!
      result[row * outputs + o] = activation(sum)
    }
  }
  return result
}
