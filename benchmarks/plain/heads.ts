// The decoders, forward and backward, in plain JavaScript.
import type { HeadsConfig, PerParameter } from '@clipgstream/decoders'
import { addTimes, addTransposedTimes, timesTransposed } from './matmul.js'

export type HostParameters = PerParameter<Float32Array>

export interface PlainResult {
  /** One a head. // [rows, outputs] */
  outputs: Float32Array[]
  /** One a head. // [rows, hidden] */
  hidden: Float32Array[]
}

export interface PlainGradients {
  vX: Float32Array // [rows, inputs]
  vParameters: HostParameters[]
}

/** x // [rows, inputs] */
export function plainForward(
  { inputs, heads }: HeadsConfig,
  x: Float32Array,
  parameters: readonly HostParameters[],
): PlainResult {
  const rows = x.length / inputs
  const outputs: Float32Array[] = []
  const hidden: Float32Array[] = []
  for (const [i, head] of heads.entries()) {
    const { w1, b1, w2, b2 } = parameters[i]!
    const h = new Float32Array(rows * head.hidden)
    timesTransposed(x, w1, h, rows, inputs)
    addBias(h, b1)
    for (let j = 0; j < h.length; j++) if (h[j]! < 0) h[j] = 0
    const y = new Float32Array(rows * head.outputs)
    timesTransposed(h, w2, y, rows, head.hidden)
    addBias(y, b2)
    if (head.activation === 'relu') for (let j = 0; j < y.length; j++) y[j] = Math.max(0, y[j]!)
    if (head.activation === 'sigmoid') for (let j = 0; j < y.length; j++) y[j] = 1 / (1 + Math.exp(-y[j]!))
    hidden.push(h)
    outputs.push(y)
  }
  return { outputs, hidden }
}

export function plainBackward(
  { inputs, heads }: HeadsConfig,
  x: Float32Array,
  parameters: readonly HostParameters[],
  result: PlainResult,
  vOutputs: readonly Float32Array[],
): PlainGradients {
  const rows = x.length / inputs
  const vX = new Float32Array(rows * inputs)
  const vParameters = heads.map((head, i): HostParameters => {
    const { w1, b1, w2, b2 } = parameters[i]!
    const y = result.outputs[i]!
    const h = result.hidden[i]!
    const v = vOutputs[i]!.slice()
    if (head.activation === 'sigmoid') for (let j = 0; j < v.length; j++) v[j]! *= y[j]! * (1 - y[j]!)
    if (head.activation === 'relu') for (let j = 0; j < v.length; j++) if (y[j]! <= 0) v[j] = 0
    const vW2 = new Float32Array(w2.length)
    addTransposedTimes(v, h, vW2, rows, head.outputs)
    const vHidden = new Float32Array(h.length)
    addTimes(v, w2, vHidden, rows, head.outputs)
    for (let j = 0; j < h.length; j++) if (h[j]! <= 0) vHidden[j] = 0
    const vW1 = new Float32Array(w1.length)
    addTransposedTimes(vHidden, x, vW1, rows, head.hidden)
    addTimes(vHidden, w1, vX, rows, head.hidden)
    return { w1: vW1, b1: b1 && columnSums(vHidden, b1.length), w2: vW2, b2: b2 && columnSums(v, b2.length) }
  })
  return { vX, vParameters }
}

function addBias(values: Float32Array, bias: Float32Array | null): void {
  if (!bias) return
  for (let at = 0; at < values.length; at += bias.length) {
    for (let j = 0; j < bias.length; j++) values[at + j]! += bias[j]!
  }
}

function columnSums(values: Float32Array, columns: number): Float32Array {
  const sums = new Float32Array(columns)
  for (let at = 0; at < values.length; at += columns) for (let j = 0; j < columns; j++) sums[j]! += values[at + j]!
  return sums
}
