import { type AdamStep, adamRates, createAdam } from '@clipgstream/optimizers'
import { createRandom, type Device, toF16 } from '@clipgstream/tensor'
import type { ConformanceCase } from '../../../tools/conformance/case.js'
import { oracleStep } from './oracle.js'

export interface Problem {
  shape: number[]
  parameter: Float32Array<ArrayBuffer>
  gradient: Float32Array<ArrayBuffer>
  m: Float32Array<ArrayBuffer>
  v: Float32Array<ArrayBuffer>
}

/** A state in the middle of training; two thirds of the rows have no gradient, gradients span many magnitudes. */
export function problem(shape: number[], seed: number, wild = false): Problem {
  const random = createRandom(seed)
  const size = shape.reduce((product, extent) => product * extent, 1)
  const width = size / (shape[0] ?? 1)
  const values = (of: () => number) => Float32Array.from({ length: size }, of)
  const m = values(() => random.normal() * 10 ** (random.uniform() * 6 - 6))
  const v = m.map((value) => value ** 2 * (0.5 + random.uniform()))
  const gradient = values(() => random.normal() * 10 ** (random.uniform() * 8 - 6))
  for (let row = 0; row < size; row += width) if (random.integer(3) > 0) gradient.fill(0, row, row + width)
  if (wild) {
    const special = [Number.NaN, Infinity, -Infinity, -0, 1e30, -1e30, 2 ** -149, 1000, -1000]
    for (let i = 0; i < size; i += 5) gradient[i] = special[random.integer(special.length)]!
  }
  return { shape, parameter: values(() => random.normal()), gradient, m, v }
}

export async function runStep(device: Device, { shape, ...arrays }: Problem, settings: AdamStep) {
  using _scope = device.scope()
  const adam = await createAdam(device)
  const parameter = device.from(arrays.parameter, shape)
  const gradient = device.from(arrays.gradient, shape)
  const state = { m: device.from(arrays.m, shape), v: device.from(arrays.v, shape) }
  adam.step(parameter, gradient, state, settings)
  const [p, g, m, v] = await Promise.all([parameter.read(), gradient.read(), state.m.read(), state.v.read()])
  return { parameter: p, gradient: g, m, v }
}

/** What no parameter is rounded to. */
const untouched = 0x7d55

/**
 * A step that writes a copy. stepped // [size] 1 where it is the parameter that the device wrote, rounded, 0 where it is
 * what it was, -1 elsewhere
 */
export async function runCopied(device: Device, { shape, ...arrays }: Problem, settings: AdamStep) {
  using _scope = device.scope()
  const adam = await createAdam(device)
  const parameter = device.from(arrays.parameter, shape)
  const gradient = device.from(arrays.gradient, shape)
  const state = { m: device.from(arrays.m, shape), v: device.from(arrays.v, shape) }
  const copy = device.from(new Uint16Array(parameter.size).fill(untouched), shape)
  adam.stepAll([{ parameter, gradient, state, copy, settings }], device.from(adamRates([settings]), [1, 2]))
  const [p, g, bits] = await Promise.all([parameter.read(), gradient.read(), copy.read()])
  const kindOf = (value: number, i: number) => (bits[i] === toF16(value) ? 1 : bits[i] === untouched ? 0 : -1)
  return { parameter: p, gradient: g, stepped: Float32Array.from(p, kindOf) }
}

export function runOracle({ shape, parameter, gradient, m, v }: Problem, settings: AdamStep) {
  const before = {
    parameter: Float64Array.from(parameter),
    gradient: Float64Array.from(gradient),
    m: Float64Array.from(m),
    v: Float64Array.from(v),
  }
  return { ...oracleStep(before, parameter.length / (shape[0] ?? 1), settings) }
}

const usual = { learningRate: 1e-3, step: 7, epsilon: 1e-8 }
interface Case {
  name: string
  shape: number[]
  wild?: boolean
  size?: ConformanceCase['size']
  settings: AdamStep
}

const settings: Case[] = [
  { name: 'dense [37, 11], first step', shape: [37, 11], settings: { ...usual, step: 1, epsilon: 1e-15 } },
  { name: 'dense [5000, 7], late', shape: [5000, 7], settings: { ...usual, step: 100_000, beta1: 0.95, beta2: 0.99 } },
  { name: 'dense [9, 3, 4], rows 2 to 7', shape: [9, 3, 4], settings: { ...usual, rows: [2, 7] } },
  ...[1, 2, 3, 4, 5, 8, 16, 24].map((width) => ({
    name: `lazy [203, ${width}]`,
    shape: [203, width],
    settings: { ...usual, lazy: true },
  })),
  { name: 'lazy [203, 4], rows 3 to 150', shape: [203, 4], settings: { ...usual, lazy: true, rows: [3, 150] } },
  {
    name: 'lazy [203, 4], limited',
    shape: [203, 4],
    wild: true,
    settings: { ...usual, lazy: true, gradientLimit: 1000 },
  },
  {
    name: 'lazy [203, 3], limited',
    shape: [203, 3],
    wild: true,
    settings: { ...usual, lazy: true, gradientLimit: 1000 },
  },
  { name: 'dense [203, 3], limited', shape: [203, 3], wild: true, settings: { ...usual, gradientLimit: 1000 } },
  { name: 'lazy [1M, 4]', shape: [1 << 20, 4], size: 'full', settings: { ...usual, lazy: true, gradientLimit: 1000 } },
]

const stepCases = settings.map(
  ({ name, shape, wild, size = 'small', settings }, seed): ConformanceCase => ({
    operator: 'adam.step',
    name,
    size,
    tolerance: {
      parameter: { absolute: 1e-6 * settings.learningRate, relative: 1e-6 },
      gradient: { absolute: 0, relative: 0 },
      // Where a moment and a gradient cancel, what remains of them is as exact as they were: |m| is 5 at most, 100 if limited.
      m: { absolute: 1e-6 * (wild ? 100 : 1), relative: 1e-6 },
      v: { absolute: 1e-37, relative: 1e-6 },
    },
    run: (device) => runStep(device, problem(shape, seed, wild), settings),
    ...(size === 'small' && { oracle: () => runOracle(problem(shape, seed, wild), settings) }),
  }),
)

/** Of whole blocks, with which GPUs take a shorter way. */
const whole: Case[] = [
  { name: 'lazy [2500, 4]', shape: [2500, 4], settings: { ...usual, lazy: true } },
  { name: 'lazy [2500, 4], rows 300 to 2400', shape: [2500, 4], settings: { ...usual, lazy: true, rows: [300, 2400] } },
]

const copyCases = [...settings, ...whole].map(
  ({ name, shape, wild, size = 'small', settings }, seed): ConformanceCase => ({
    operator: 'adam.stepAll',
    name: `${name}, with a copy`,
    size,
    tolerance: {
      parameter: { absolute: 1e-6 * settings.learningRate, relative: 1e-6 },
      gradient: { absolute: 0, relative: 0 },
      stepped: { absolute: 0, relative: 0 },
    },
    run: (device) => runCopied(device, problem(shape, seed, wild), settings),
    ...(size === 'small' && { oracle: () => runOracle(problem(shape, seed, wild), settings) }),
  }),
)

export const cases: ConformanceCase[] = [...stepCases, ...copyCases]
