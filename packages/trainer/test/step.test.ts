import { createRandom, toF16 } from '@clipgstream/tensor'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import {
  ClipOptimizer,
  type ClipState,
  type Config,
  createModel,
  createTrainingOperators,
  type Example,
  initialState,
  lossAndGradient,
  type PartialConfig,
  type Shot,
  trainStep,
  uploadExample,
} from '@clipgstream/trainer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tinyConfig, tinyData } from './tiny-data.js'

let device: WasmDevice
beforeEach(async () => {
  device = await createWasmDevice({ threads: 1, poison: true })
})
afterEach(() => device.dispose())

async function setUp(over: PartialConfig = {}) {
  const config = tinyConfig(over)
  const data = tinyData()
  const operators = await createTrainingOperators(device, config)
  const { state } = await initialState(config, data, 0, null)
  jitter(state)
  const shots: Shot[] = []
  for (const camera of [1, 2, 3]) {
    const { view } = data.cameras[camera]!
    const target = device.from(await data.image(camera, 1), [view.height, view.width, 3])
    shots.push({ view, colorRow: camera - 1, target })
  }
  const example = (views = 1): Example => ({ time: 1 / 3, shots: shots.slice(0, views) })
  return { config, data, operators, state, example }
}

const black = [0, 0, 0] as const

/** Away from zero features and tiny tables, so that every gradient has something to show. */
function jitter(state: ClipState): void {
  const random = createRandom(5)
  for (const values of [state.own.staticFeatures, state.field.table])
    for (let i = 0; i < values.length; i++) values[i] = 0.5 * random.normal()
  for (let i = 0; i < state.own.logScaling.length; i++) state.own.logScaling[i]! += 0.1 * random.normal()
  if (state.colors) for (let i = 0; i < state.colors.length; i++) state.colors[i]! += 0.05 * random.normal()
}

async function lossOf(
  config: Config,
  operators: Awaited<ReturnType<typeof createTrainingOperators>>,
  state: ClipState,
  example: Example,
) {
  using model = createModel(operators, state)
  using optimizer = new ClipOptimizer(operators, model, config.optimizer, 1, 0.001)
  using _scope = device.scope()
  const inputs = uploadExample(device, example, black)
  const { shots, volume } = lossAndGradient(operators, config, model, optimizer.gradients, inputs)
  const { dssim, volume: weight } = config.loss
  let loss = weight * (await volume.read())[0]!
  for (const { terms } of shots) {
    const [l1, ssim] = await terms.read()
    loss += ((1 - dssim) * l1! + dssim * (1 - ssim!)) / shots.length
  }
  return loss
}

describe('the gradient of a whole step', () => {
  it.each([
    ['concatenated features', {}, 1],
    ['added features', { decoders: { combination: 'add' } }, 1],
    ['colour compensation', { colorCompensation: { enabled: true } }, 1],
    ['a large volume weight', { loss: { volume: 50, dssim: 0.7 } }, 1],
    ['two views and colour compensation', { colorCompensation: { enabled: true } }, 2],
  ] as [string, PartialConfig, number][])('agrees with finite differences with %s', async (_, over, views) => {
    const { config, operators, state, example: examples } = await setUp(over)
    const example = examples(views)
    const gradients = new Map<string, Float32Array>()
    {
      using model = createModel(operators, state)
      using optimizer = new ClipOptimizer(operators, model, config.optimizer, 1, 0.001)
      using _scope = device.scope()
      lossAndGradient(operators, config, model, optimizer.gradients, uploadExample(device, example, black))
      for (const { name, gradient } of optimizer.groups) gradients.set(name, await gradient.read())
    }
    const parameters: [string, Float32Array][] = [
      ['staticFeatures', state.own.staticFeatures],
      ['logScaling', state.own.logScaling],
      ['field.table', state.field.table],
      ['field.w1', state.field.net.w1],
      ['field.w2', state.field.net.w2],
      ['opacity.w1', state.decoders[0]!.w1],
      ['cov.b2', state.decoders[1]!.b2!],
      ['color.w2', state.decoders[2]!.w2],
      ['offset.b1', state.decoders[3]!.b1!],
      ...(state.colors ? [['colors', state.colors] as [string, Float32Array]] : []),
    ]
    for (const [name, values] of parameters) {
      const gradient = gradients.get(name)!
      // Along the gradient itself, which smooths out the steps of single splats: the derivative is its squared length.
      const length = Math.hypot(...gradient)
      expect(length, name).toBeGreaterThan(0)
      const kept = values.slice()
      const reach = 2e-3 * Math.max(1, Math.hypot(...kept) / Math.sqrt(kept.length))
      const at = async (sign: number) => {
        for (let i = 0; i < values.length; i++) values[i] = kept[i]! + (sign * reach * gradient[i]!) / length
        return lossOf(config, operators, state, example)
      }
      const slope = ((await at(1)) - (await at(-1))) / (2 * reach)
      values.set(kept)
      expect(slope / length, name).toBeGreaterThan(0.9)
      expect(slope / length, name).toBeLessThan(1.1)
    }
  })
})

describe('a step of several views', () => {
  it('has the mean of the gradients of each view alone', async () => {
    const { config, operators, state, example } = await setUp({ loss: { volume: 3 } })
    // Anchors that one view does not show are decoded for the other: nothing may depend on that.
    const gradientsOf = async (shots: readonly Shot[]) => {
      using model = createModel(operators, state)
      using optimizer = new ClipOptimizer(operators, model, config.optimizer, 1, 0.001)
      using _scope = device.scope()
      const inputs = uploadExample(device, { time: 1 / 3, shots }, black)
      const result = lossAndGradient(operators, { ...config, loss }, model, optimizer.gradients, inputs)
      const gradients = new Map<string, Float32Array>()
      for (const { name, gradient } of optimizer.groups) gradients.set(name, await gradient.read())
      return { gradients, visible: (await result.visible.count.read())[0]! }
    }
    // The volume term is a mean over the Gaussians that are decoded, which differ.
    const loss = { ...config.loss, volume: 0 }
    const all = example(3).shots.map((shot, i) =>
      i === 1 ? { ...shot, view: { ...shot.view, fx: 90, cx: -40 } } : shot,
    )
    const together = await gradientsOf(all)
    const alone = await Promise.all(all.map((shot) => gradientsOf([shot])))
    expect(new Set(alone.map(({ visible }) => visible)).size).toBeGreaterThan(1)
    for (const [name, gradient] of together.gradients) {
      const parts = alone.map(({ gradients }) => gradients.get(name)!)
      const largest = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      gradient.forEach((value, i) => {
        const mean = parts.reduce((sum, part) => sum + part[i]!, 0) / parts.length
        expect(Math.abs(value - mean), name).toBeLessThanOrEqual(1e-5 * largest)
      })
    }
  })
})

describe('trainStep', () => {
  it('lowers the loss and leaks nothing', async () => {
    const { config, operators, state, example } = await setUp()
    const before = device.bytesInUse
    {
      using model = createModel(operators, state)
      using optimizer = new ClipOptimizer(operators, model, config.optimizer, 1, 0.001)
      const losses: number[] = []
      const held = device.bytesInUse
      for (let i = 0; i < 30; i++) {
        using _scope = device.scope()
        const { shots } = trainStep(operators, config, model, optimizer, uploadExample(device, example(2), black), i)
        losses.push((await shots[0]!.terms.read())[0]!)
      }
      expect(device.bytesInUse).toBe(held)
      expect(losses.at(-1)).toBeLessThan(0.75 * losses[0]!)
    }
    expect(device.bytesInUse).toBe(before)
  })

  it.each([true, false])('keeps the half table the rounding of the table, lazy %s', async (lazyTable) => {
    const { config, operators, state, example } = await setUp({ execution: { table: 'f16' }, optimizer: { lazyTable } })
    using model = createModel(operators, state)
    using optimizer = new ClipOptimizer(operators, model, config.optimizer, 1, 0.001)
    const { table, halfTable } = model.field
    const rounded = async () => Uint16Array.from(await table.read(), toF16)
    const first = await rounded()
    expect(await halfTable?.read()).toEqual(first)
    const losses: number[] = []
    for (let i = 0; i < 10; i++) {
      using _scope = device.scope()
      const { shots } = trainStep(operators, config, model, optimizer, uploadExample(device, example(), black), i)
      losses.push((await shots[0]!.terms.read())[0]!)
    }
    expect(losses.at(-1)).toBeLessThan(0.95 * losses[0]!)
    const last = await rounded()
    expect(await halfTable?.read()).toEqual(last)
    expect(last.some((bits, i) => bits !== first[i])).toBe(true)
  })

  it('goes on when nothing is visible', async () => {
    const { config, operators, state, example } = await setUp()
    using model = createModel(operators, state)
    using optimizer = new ClipOptimizer(operators, model, config.optimizer, 1, 0.001)
    const away = [-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, -50]
    using _scope = device.scope()
    const shots = example(2).shots.map((shot) => ({ ...shot, view: { ...shot.view, worldToCamera: away } }))
    const result = trainStep(operators, config, model, optimizer, uploadExample(device, { time: 0, shots }, black), 0)
    expect((await result.visible.count.read())[0]).toBe(0)
    expect(Number.isFinite((await result.shots[0]!.terms.read())[0])).toBe(true)
    expect(Array.from(await model.staticFeatures.read())).toEqual(Array.from(state.own.staticFeatures))
  })
})
