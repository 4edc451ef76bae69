import { createHeads, decoderHeads, fieldHead, uploadParameters, zeroParameters } from '@clipgstream/decoders'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { describe, expect, it } from 'vitest'
import { createProblem } from './problem.js'

async function setUp() {
  const device = await createWasmDevice({ threads: 1, poison: true })
  const problem = createProblem(decoderHeads({ features: 8, offsetsPerAnchor: 2 }), 5, 1)
  const { config } = problem
  const heads = await createHeads(device, config)
  const x = device.from(problem.x, [5, 8])
  const parameters = uploadParameters(device, config, problem.parameters)
  const vOutputs = problem.vOutputs.map((v, i) => device.from(v, [5, config.heads[i]!.outputs]))
  return { device, problem, config, heads, x, parameters, vOutputs, result: heads.forward({ x }, parameters) }
}

describe('bad input', () => {
  it('names the tensor, the expected and the actual shape', async () => {
    const { device, problem, config, heads, x, parameters, vOutputs, result } = await setUp()
    using _device = device
    const before = device.bytesInUse
    const other = device.from(new Float32Array(12), [4, 3])
    expect(() => heads.forward({ x: other }, parameters)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: heads.forward: x must have shape [*, 8], got [4, 3]]`,
    )
    expect(() =>
      heads.forward({ x, count: device.from(Uint32Array.of(6)) }, parameters),
    ).toThrowErrorMatchingInlineSnapshot(`[ArgumentError: heads.forward: count must be at most the 5 rows of x, got 6]`)
    expect(() => heads.forward({ x }, parameters.slice(1))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: heads.forward: parameters must be one entry for each head (opacity, cov, color, offset), got 3 entries]`,
    )
    const swapped = [{ ...parameters[0]!, w2: other }, ...parameters.slice(1)]
    expect(() => heads.forward({ x }, swapped)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: heads.forward: parameters[0].w2 must have shape [2, 16], got [4, 3]]`,
    )
    const bare = [{ ...parameters[0]!, b1: null }, ...parameters.slice(1)]
    expect(() => heads.forward({ x }, bare)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: heads.forward: parameters[0].b1 must have shape [16], got []]`,
    )
    const gradients = zeroParameters(device, config)
    const shifted = [...vOutputs.slice(1), vOutputs[0]!]
    expect(() => heads.backward({ x }, parameters, result, shifted, gradients)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: heads.backward: vOutputs[0] (opacity) must have shape [5, 2], got [5, 14]]`,
    )
    expect(() => heads.backward({ x }, parameters, result, vOutputs, [])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: heads.backward: vParameters must be one entry for each head (opacity, cov, color, offset), got 0 entries]`,
    )
    const saved = [...result.saved].reverse()
    const mixed = { ...result, saved }
    expect(() => heads.backward({ x }, parameters, mixed, vOutputs, null)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: heads.backward: result.saved[0] (opacity) must have shape [8, 16], got [8, 32]]`,
    )
    expect(() => uploadParameters(device, config, [])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: uploadParameters: values must be 4 heads, got 0 heads]`,
    )
    const short = problem.parameters.map((set) => ({ ...set, b1: new Float32Array(3) }))
    expect(() => uploadParameters(device, config, short)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: from: opacity.b1 (3 elements) must have shape [16], got [3]]`,
    )
    expect(device.bytesInUse).toBeGreaterThan(before)
  })

  it('refuses biases that the network does not have, and tensors of another device', async () => {
    const { device, heads, x, parameters } = await setUp()
    using _device = device
    using elsewhere = await createWasmDevice({ threads: 1 })
    const stranger = elsewhere.from(new Float32Array(40), [5, 8])
    expect(() => heads.forward({ x: stranger }, parameters)).toThrowErrorMatchingInlineSnapshot(
      `[WrongDeviceError: heads.forward: x lives on wasm (1 thread), but the operator runs on wasm (1 thread); copy it with device.from(await tensor.read(), shape)]`,
    )
    const field = fieldHead({ inputs: 8, hidden: 16, outputs: 2 })
    const plain = await createHeads(device, field)
    const biased = parameters[0]!
    expect(() => plain.forward({ x }, [biased])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: heads.forward: parameters[0].b1 must be null, as biases is false, got [16]]`,
    )
    x.dispose()
    expect(() => heads.forward({ x }, parameters)).toThrowErrorMatchingInlineSnapshot(
      `[DisposedError: heads.forward: x has been disposed; keep it alive until its last use]`,
    )
  })
})
