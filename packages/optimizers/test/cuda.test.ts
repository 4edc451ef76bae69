import { adamRates, createAdam } from '@clipgstream/optimizers'
import { createCudaDevice } from '@clipgstream/tensor/cuda'
import { afterAll, describe, expect, it } from 'vitest'
import { problem, runStep } from './conformance.js'

const device = await createCudaDevice({ poison: true }).catch((error: Error) => {
  console.warn(`Adam on CUDA: SKIPPED, ${error.message}`)
  return null
})

afterAll(() => device?.dispose())

const usual = { learningRate: 1e-3, step: 7, epsilon: 1e-8 }

describe.skipIf(!device)('Adam in a CUDA graph', () => {
  const gpu = device!

  it('takes the rates of a captured step from the device', async () => {
    using _ = gpu.scope()
    const adam = await createAdam(gpu)
    const before = problem([3000, 4], 3)
    const parameter = gpu.from(before.parameter, before.shape)
    const gradient = gpu.from(before.gradient, before.shape)
    const state = { m: gpu.from(before.m, before.shape), v: gpu.from(before.v, before.shape) }
    const { step, learningRate, ...settings } = usual
    const rates = gpu.from(adamRates([{ step, learningRate: 0 }]), [1, 2])
    const run = () => adam.stepAll([{ parameter, gradient, state, settings }], rates)
    run()
    for (const [tensor, values] of [
      [parameter, before.parameter],
      [state.m, before.m],
      [state.v, before.v],
    ] as const)
      gpu.write(tensor, values)
    using graph = gpu.capture(run)
    gpu.write(gradient, before.gradient)
    gpu.write(rates, adamRates([{ step, learningRate }]))
    graph.launch()
    const after = await runStep(gpu, before, usual)
    expect(await parameter.read()).toEqual(after.parameter)
    expect(await state.v.read()).toEqual(after.v)
  })
})
