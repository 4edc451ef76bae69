import type { Tensor } from '@clipgstream/tensor'
import { createCudaDevice } from '@clipgstream/tensor/cuda'
import {
  ClipOptimizer,
  createModel,
  createStepGraphs,
  createTrainingOperators,
  type Example,
  initialState,
  lossAndGradient,
  type StepResult,
  type StepWork,
} from '@clipgstream/trainer'
import { afterAll, describe, expect, it } from 'vitest'
import { tinyConfig, tinyData } from './tiny-data.js'

const device = await createCudaDevice({ poison: true }).catch((error: Error) => {
  console.warn(`graphs of training steps: SKIPPED, ${error.message}`)
  return null
})

afterAll(() => device?.dispose())

describe.skipIf(!device)('graphs of training steps', () => {
  const gpu = device!

  it('capture a step once for each size, and give what plain launches give', async () => {
    const before = gpu.bytesInUse
    {
      const config = tinyConfig({})
      const data = tinyData()
      const operators = await createTrainingOperators(gpu, config)
      const { state } = await initialState(config, data, 0, null)
      using model = createModel(operators, state)
      using optimizer = new ClipOptimizer(operators, model, config.optimizer, 1, 0.001)
      using graphs = await createStepGraphs(operators, config)
      if (!graphs) throw new Error('no graphs on cuda')
      const work: StepWork = (inputs) => {
        const result = lossAndGradient(operators, config, model, optimizer.gradients, inputs)
        // Nothing is learned: what steps measure depends on their example alone.
        for (const { gradient } of optimizer.groups) gpu.fill(gradient, 0)
        return result
      }
      const measure = async (example: Example) => {
        const kept: Tensor<'f32'>[] = []
        await graphs.step('test', example, work, ({ shots }: StepResult, keep) => {
          for (const { terms } of shots) kept.push(keep(terms))
        })
        const values = await Promise.all(kept.map((tensor) => tensor.read()))
        for (const tensor of kept) tensor.dispose()
        return values.flatMap((terms) => [...terms])
      }
      using _ = gpu.scope()
      const photographs = []
      for (const camera of [1, 2, 3]) {
        const { view } = data.cameras[camera]!
        const target = gpu.from(await data.image(camera, 0), [view.height, view.width, 3])
        photographs.push({ view, colorRow: camera - 1, target })
      }
      const small = { ...photographs[0]!, view: { ...photographs[0]!.view, height: 20 } }
      const cut = { ...small, target: gpu.from((await data.image(1, 0)).slice(0, 20 * 32 * 3), [20, 32, 3]) }
      const examples: Example[] = photographs.map((shot, i) => ({ time: i / 3, shots: [shot] }))
      const first = []
      for (const example of examples) first.push(await measure(example))
      expect(graphs.captures).toBe(1)
      expect(new Set(first.flat()).size).toBe(6)
      const again = []
      for (const example of examples) again.push(await measure(example))
      // The very first step was launched kernel by kernel, the rest by the graph.
      expect(again).toEqual(first)
      const other = await measure({ time: 0, shots: [cut] })
      expect(graphs.captures).toBe(1)
      expect(await measure({ time: 0, shots: [cut] })).toEqual(other)
      expect(graphs.captures).toBe(2)
      const two = await measure({ time: 0, shots: photographs.slice(0, 2) })
      expect(await measure({ time: 0, shots: photographs.slice(0, 2) })).toEqual(two)
      expect(two.slice(0, 2)).toEqual(first[0])
      graphs.clear()
      expect(await measure(examples[2]!)).toEqual(first[2])
    }
    expect(gpu.bytesInUse).toBe(before)
  })
})
