import { type AdamGroup, type AdamStep, adamRates, createAdam } from '@clipgstream/optimizers'
import { fromF16, toF16 } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { testedDevices } from '../../../tools/devices.js'
import { cases, problem, runOracle, runStep } from './conformance.js'
import { type AdamArrays, oracleStep } from './oracle.js'

const usual: AdamStep = { learningRate: 1e-2, step: 1, epsilon: 1e-8 }

const devices = await testedDevices('Adam')

afterAll(() => {
  for (const { device } of devices) device.dispose()
})

describe('Adam on wasm', () => {
  it('finds the minimum of a bowl along the path that double precision takes', async () => {
    using device = await createWasmDevice({ threads: 1, poison: true })
    const adam = await createAdam(device)
    const goal = [0.5, -2, 3]
    const parameter = device.from(new Float32Array(3), [1, 3])
    const gradient = device.zeros([1, 3])
    const state = adam.state(parameter)
    let exact: AdamArrays = {
      parameter: new Float64Array(3),
      gradient: new Float64Array(3),
      m: new Float64Array(3),
      v: new Float64Array(3),
    }
    for (let step = 1; step <= 2000; step++) {
      const at = device.view(parameter)
      device.write(
        gradient,
        Float32Array.from(goal, (value, i) => 2 * (at[i]! - value)),
      )
      adam.step(parameter, gradient, state, { ...usual, step })
      exact.gradient.set(goal.map((value, i) => 2 * (exact.parameter[i]! - value)))
      exact = oracleStep(exact, 3, { ...usual, step })
      if (step === 50) {
        for (const [i, value] of device.view(parameter).entries()) expect(value).toBeCloseTo(exact.parameter[i]!, 5)
      }
    }
    for (const [i, value] of (await parameter.read()).entries()) expect(value).toBeCloseTo(goal[i]!, 3)
  })

  it('gives equal bytes for 1, 2 and 3 threads', async () => {
    for (const lazy of [false, true]) {
      const settings = { ...usual, lazy, gradientLimit: 10 }
      const results: Awaited<ReturnType<typeof runStep>>[] = []
      for (const threads of [1, 2, 3]) {
        using device = await createWasmDevice({ threads, poison: true })
        results.push(await runStep(device, problem([13_001, 4], 1, true), settings))
      }
      expect(results[1]).toEqual(results[0])
      expect(results[2]).toEqual(results[0])
    }
  })
})

describe.each(devices)('Adam on $kind', ({ device, bearsMuch }) => {
  let before = 0
  beforeEach(() => {
    before = device.bytesInUse
  })
  afterEach(() => expect(device.bytesInUse).toBe(before))

  it.each(cases.filter((c) => c.size === 'small'))('agrees with double precision: $name', async (one) => {
    const differences = compare(await one.run(device), one.oracle?.() ?? {}, one.tolerance)
    expect(differences.filter((difference) => !difference.passed)).toEqual([])
  })

  it('moves rows without gradient by their momentum, unless it is lazy', async () => {
    using _ = device.scope()
    const before = problem([4, 4], 2)
    before.gradient.fill(0)
    before.gradient[5] = 1
    const dense = await runStep(device, before, usual)
    const lazy = await runStep(device, before, { ...usual, lazy: true })
    const untouched = (values: Float32Array) => [...values].filter((_, i) => i < 4 || i >= 8)
    for (const name of ['parameter', 'm', 'v'] as const) {
      expect(untouched(lazy[name])).toEqual(untouched(before[name]))
      expect(lazy[name].subarray(4, 8)).toEqual(dense[name].subarray(4, 8))
      expect(untouched(dense[name]).some((value, i) => value === untouched(before[name])[i])).toBe(false)
    }
  })

  it('trains a range of rows and clears the gradient of all', async () => {
    using _ = device.scope()
    for (const lazy of [false, true]) {
      const before = problem([40, 3], 3)
      before.gradient.fill(1)
      const after = await runStep(device, before, { ...usual, lazy, rows: [7, 21] })
      const changed = [...after.parameter].flatMap((value, i) => (value === before.parameter[i] ? [] : [i]))
      expect(changed).toEqual(Array.from({ length: 14 * 3 }, (_, i) => 21 + i))
      expect(after.gradient.every((value) => value === 0)).toBe(true)
      const none = await runStep(device, before, { ...usual, lazy, rows: [5, 5] })
      expect(none.parameter).toEqual(before.parameter)
      expect(none.gradient.every((value) => value === 0)).toBe(true)
    }
  })

  it.each([false, true])('keeps NaN and infinities within the limit, lazy %s', async (lazy) => {
    using _ = device.scope()
    const shape = [6, 4]
    const zeros = new Float32Array(24)
    const gradient = zeros.slice()
    const wild = [Number.NaN, Infinity, -Infinity, 5e3, -5e3]
    for (const [row, value] of wild.entries()) gradient[4 * row + 1] = value
    const before = { shape, parameter: zeros, gradient, m: zeros, v: zeros }
    const limited = await runStep(device, before, { ...usual, lazy, gradientLimit: 1000 })
    expect(limited.gradient).toEqual(zeros)
    expect([0, 1, 2, 3, 4, 5].map((row) => Math.fround(limited.m[4 * row + 1]!))).toEqual([0, 100, -100, 100, -100, 0])
    expect(limited.parameter.every(Number.isFinite)).toBe(true)
    // Without a limit they get through, so that a trainer can see them.
    const free = await runStep(device, before, { ...usual, lazy })
    expect(Number.isNaN(free.parameter[1]) && Number.isNaN(free.m[1])).toBe(true)
    expect([...free.parameter].filter(Number.isNaN).length).toBe(3)
    expect(free.gradient).toEqual(zeros)
  })

  it('lets forgotten moments fall to zero instead of denormal numbers', async () => {
    using _ = device.scope()
    const tiny = new Float32Array([1.2e-38, 2 ** -126, -1.2e-38, 1e-30])
    const zeros = new Float32Array(4)
    const before = { shape: [4], parameter: zeros, gradient: zeros, m: tiny, v: tiny.map(Math.abs) }
    const after = await runStep(device, before, { ...usual, epsilon: 1e-15 })
    expect([...after.m.subarray(0, 3), ...after.v.subarray(1, 2)]).toEqual([0, 0, 0, 0])
    expect(after.m[3]).toBeCloseTo(9e-31, 36)
    expect(after.parameter.every(Number.isFinite)).toBe(true)
  })

  it('steps groups as it steps one after the other, and none if one is wrong', async () => {
    using _ = device.scope()
    const adam = await createAdam(device)
    const problems = [problem([37, 4], 1), problem([9, 3, 5], 2)]
    const groups = problems.map(({ shape, ...arrays }, i) => ({
      parameter: device.from(arrays.parameter, shape),
      gradient: device.from(arrays.gradient, shape),
      state: { m: device.from(arrays.m, shape), v: device.from(arrays.v, shape) },
      settings: { ...usual, step: i + 1, lazy: i === 0 },
    }))
    const [first, second] = groups
    const rates = device.from(adamRates(groups.map(({ settings }) => settings)), [2, 2])
    expect(() => adam.stepAll([first!, { ...second!, gradient: first!.gradient }], rates)).toThrow(
      'adam.stepAll: gradient must have shape [9, 3, 5], got [37, 4]',
    )
    expect(() => adam.stepAll([first!], rates)).toThrow('adam.stepAll: rates must have shape [1, 2], got [2, 2]')
    expect(await first!.parameter.read()).toEqual(problems[0]!.parameter)
    adam.stepAll(groups, rates)
    for (const [i, { parameter, settings }] of groups.entries())
      expect(await parameter.read()).toEqual((await runStep(device, problems[i]!, settings)).parameter)
  })

  it.each([1, 3, 4])('rounds the copy to nearest even, rows of %i', async (width) => {
    using _ = device.scope()
    const word = new Uint32Array(1)
    const float = new Float32Array(word.buffer)
    const beside = (value: number, by: number) => {
      float[0] = value
      word[0]! += by
      return float[0]
    }
    // Every half, what lies between it and the next, and the f32 on both sides of that; 65536 is next to 65504.
    const values = [Infinity, Number.NaN, 65504, 65519.99, 65520, 65521, 1e30, 1e-30]
    for (let bits = 0; bits < 0x7c00; bits += bearsMuch ? 1 : 97) {
      const [below, above] = [fromF16(bits), bits === 0x7bff ? 65536 : fromF16(bits + 1)]
      const middle = (below + above) / 2
      values.push(below, middle, beside(middle, -1), beside(middle, 1))
    }
    while (values.length % width > 0) values.push(0)
    const parameters = Float32Array.from([...values, ...values.map((value) => -value)])
    const shape = [parameters.length / width, width]
    const adam = await createAdam(device)
    for (const lazy of [false, true]) {
      const parameter = device.from(parameters, shape)
      const gradient = device.empty(shape)
      device.fill(gradient, 1)
      const copy = device.zeros(shape, 'f16')
      const settings = { ...usual, learningRate: 0, lazy }
      const group = { parameter, gradient, state: adam.state(parameter), copy, settings }
      adam.stepAll([group], device.from(adamRates([settings]), [1, 2]))
      const numbers = Float32Array.from(await copy.read(), fromF16)
      const expected = parameters.map((value) => fromF16(toF16(value)))
      expect(numbers.findIndex((value, i) => !Object.is(value, expected[i]))).toBe(-1)
      expect(numbers[4]).toBe(Infinity)
    }
  })

  it('names what is wrong with a copy', async () => {
    using _ = device.scope()
    const adam = await createAdam(device)
    const parameter = device.zeros([3, 4])
    const group = { parameter, gradient: device.zeros([3, 4]), state: adam.state(parameter), settings: usual }
    const rates = device.from(adamRates([usual]), [1, 2])
    const step = (copy: unknown) => () => Reflect.apply(adam.stepAll, adam, [[{ ...group, copy }], rates])
    expect(step(device.zeros([3, 4]))).toThrow('adam.stepAll: copy must be f16, got f32')
    expect(step(device.zeros([4, 3], 'f16'))).toThrow('adam.stepAll: copy must have shape [3, 4], got [4, 3]')
  })

  it('takes scalars and nothing at all', async () => {
    using _ = device.scope()
    const adam = await createAdam(device)
    adam.stepAll([], device.empty([0, 2]))
    const scalar = device.from(new Float32Array([1]), [])
    adam.step(scalar, device.from(new Float32Array([3]), []), adam.state(scalar), usual)
    expect((await scalar.read())[0]).toBeCloseTo(0.99, 6)
    for (const shape of [[0, 4], [4, 0], [0]]) {
      const none = device.empty(shape)
      adam.step(none, device.empty(shape), adam.state(none), { ...usual, lazy: true })
    }
  })

  it('names what is wrong with its arguments', async () => {
    using _ = device.scope()
    const adam = await createAdam(device)
    const parameter = device.zeros([3, 4])
    const state = adam.state(parameter)
    const errorOf = (settings: Partial<AdamStep>, gradient = device.zeros([3, 4])) => {
      try {
        adam.step(parameter, gradient, state, { ...usual, ...settings })
      } catch (error) {
        return error instanceof Error ? `${error.name}: ${error.message}` : error
      }
      return 'none'
    }
    expect([
      errorOf({}, device.zeros([4, 3])),
      errorOf({ learningRate: -1 }),
      errorOf({ learningRate: Number.NaN }),
      errorOf({ step: 0 }),
      errorOf({ step: 1.5 }),
      errorOf({ epsilon: 0 }),
      errorOf({ beta1: 1 }),
      errorOf({ beta2: -0.1 }),
      errorOf({ gradientLimit: 0 }),
      errorOf({ rows: [0, 4] }),
      errorOf({ rows: [2, 1] }),
    ]).toMatchInlineSnapshot(`
      [
        "ShapeError: adam.step: gradient must have shape [3, 4], got [4, 3]",
        "ArgumentError: adam.step: learningRate must be a finite number of 0 or more, got -1",
        "ArgumentError: adam.step: learningRate must be a finite number of 0 or more, got NaN",
        "ArgumentError: adam.step: step must be an integer of 1 or more, got 0",
        "ArgumentError: adam.step: step must be an integer of 1 or more, got 1.5",
        "ArgumentError: adam.step: epsilon must be a finite number of 1.2e-38 or more, got 0",
        "ArgumentError: adam.step: beta1 must be in [0, 1), got 1",
        "ArgumentError: adam.step: beta2 must be in [0, 1), got -0.1",
        "ArgumentError: adam.step: gradientLimit must be positive, got 0",
        "ArgumentError: adam.step: rows must be ascending integers in [0, 3], got [0, 4]",
        "ArgumentError: adam.step: rows must be ascending integers in [0, 3], got [2, 1]",
      ]
    `)
  })

  it('steps more groups than one launch takes, of any shape', async () => {
    const widest = bearsMuch ? 3000 : 100
    const shapes = Array.from({ length: 40 }, (_, i) => [i % 7 === 6 ? 0 : 3 * i + 1, [1, 3, 4, 40, widest][i % 5]!])
    const problems = shapes.map((shape, i) => problem(shape, i))
    using _ = device.scope()
    const adam = await createAdam(device)
    const groups = problems.map(({ shape, parameter, gradient, m, v }, i): AdamGroup => {
      const rows = [Math.min(2, shape[0]!), shape[0]!] as const
      return {
        parameter: device.from(parameter, shape),
        gradient: device.from(gradient, shape),
        state: { m: device.from(m, shape), v: device.from(v, shape) },
        settings: { ...usual, lazy: i % 2 === 0, rows },
      }
    })
    const steps = groups.map((_, i) => ({ learningRate: 1e-3, step: i + 1 }))
    adam.stepAll(groups, device.from(adamRates(steps), [groups.length, 2]))
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
})
