import { type AdamGroup, adamRates, createAdam } from '@clipgstream/optimizers'
import { createCudaDevice } from '@clipgstream/tensor/cuda'
import { afterAll, describe, expect, it } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { cases, problem, runOracle, runStep } from './conformance.js'

const device = await createCudaDevice({ poison: true }).catch((error: Error) => {
  console.warn(`Adam on CUDA: SKIPPED, ${error.message}`)
  return null
})

afterAll(() => device?.dispose())

const usual = { learningRate: 1e-3, step: 7, epsilon: 1e-8 }

describe.skipIf(!device)('Adam on CUDA', () => {
  const gpu = device!

  it.each(cases.filter((c) => c.size === 'small'))('$name', async (one) => {
    const before = gpu.bytesInUse
    const differences = compare(await one.run(gpu), one.oracle?.() ?? {}, one.tolerance)
    expect(differences.filter((difference) => !difference.passed)).toEqual([])
    expect(gpu.bytesInUse).toBe(before)
  })

  it('steps more groups than one launch takes, of any shape', async () => {
    const shapes = Array.from({ length: 40 }, (_, i) => [i % 7 === 6 ? 0 : 3 * i + 1, [1, 3, 4, 40, 3000][i % 5]!])
    const problems = shapes.map((shape, i) => problem(shape, i))
    using _ = gpu.scope()
    const adam = await createAdam(gpu)
    const groups = problems.map(({ shape, parameter, gradient, m, v }, i): AdamGroup => {
      const rows = [Math.min(2, shape[0]!), shape[0]!] as const
      return {
        parameter: gpu.from(parameter, shape),
        gradient: gpu.from(gradient, shape),
        state: { m: gpu.from(m, shape), v: gpu.from(v, shape) },
        settings: { ...usual, lazy: i % 2 === 0, rows },
      }
    })
    const steps = groups.map((_, i) => ({ learningRate: 1e-3, step: i + 1 }))
    adam.stepAll(groups, gpu.from(adamRates(steps), [groups.length, 2]))
    for (const [i, { parameter, gradient, state, settings }] of groups.entries()) {
      if (parameter.size === 0) continue
      const expected = runOracle(problems[i]!, { ...settings, ...steps[i]! })
      const [p, g, m, v] = await Promise.all([parameter.read(), gradient.read(), state.m.read(), state.v.read()])
      const differences = compare({ parameter: p, gradient: g, m, v }, expected, {
        parameter: { absolute: 1e-9, relative: 1e-6 },
        gradient: { absolute: 0, relative: 0 },
        m: { absolute: 1e-6, relative: 1e-6 },
        v: { absolute: 1e-37, relative: 1e-6 },
      })
      expect(differences.filter((difference) => !difference.passed)).toEqual([])
    }
  })

  it('lets forgotten moments fall to zero instead of denormal numbers', async () => {
    const tiny = new Float32Array([1.2e-38, 2 ** -126, -1.2e-38, 1e-30])
    const zeros = new Float32Array(4)
    const before = { shape: [4], parameter: zeros, gradient: zeros, m: tiny, v: tiny.map(Math.abs) }
    const after = await runStep(gpu, before, { ...usual, epsilon: 1e-15 })
    expect([...after.m.subarray(0, 3), ...after.v.subarray(1, 2)]).toEqual([0, 0, 0, 0])
    expect(after.m[3]).toBeCloseTo(9e-31, 36)
    expect(after.parameter.every(Number.isFinite)).toBe(true)
  })

  it('takes parameters without elements, and scalars', async () => {
    using _ = gpu.scope()
    const adam = await createAdam(gpu)
    adam.stepAll([], gpu.empty([0, 2]))
    for (const shape of [[0, 4], [3, 0], [0]]) {
      const none = gpu.empty(shape)
      adam.step(none, gpu.empty(shape), adam.state(none), { ...usual, lazy: true })
    }
    const scalar = gpu.from(new Float32Array([1]), [])
    adam.step(scalar, gpu.from(new Float32Array([3]), []), adam.state(scalar), { ...usual, step: 1 })
    expect((await scalar.read())[0]).toBeCloseTo(1 - 1e-3, 6)
  })

  it('checks all groups before it steps one', async () => {
    using _ = gpu.scope()
    const adam = await createAdam(gpu)
    const parameter = gpu.zeros([2, 4])
    const gradient = gpu.zeros([2, 4])
    gpu.fill(gradient, 1)
    const good = { parameter, gradient, state: adam.state(parameter), settings: usual }
    const rates = gpu.from(adamRates([usual, usual]), [2, 2])
    const bad = { ...good, gradient: gpu.zeros([4, 2]) }
    expect(() => adam.stepAll([good, bad], rates)).toThrow('must have shape [2, 4]')
    expect((await parameter.read()).every((value) => value === 0)).toBe(true)
  })

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
