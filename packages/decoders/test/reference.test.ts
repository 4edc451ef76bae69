// Against the outputs of the original's own program on its own checkpoint.
import { readdirSync, readFileSync } from 'node:fs'
import { createHeads, decoderHeads, fieldHead, type PerParameter, uploadParameters } from '@clipgstream/decoders'
import { fromF16 } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { describe, expect, it } from 'vitest'
import { compare, type Tolerance } from '../../../tools/conformance/case.js'
import { fixture } from '../../../tools/fixtures.js'

const strict = { absolute: 1e-6, relative: 1e-5 }
/** Terms of order 100 cancel in a few results; there the float64 oracle is just as far from the original's float32. */
const cancelling = { ...strict, flips: 2e-3, flipLimit: 1e-5 }
const root = fixture('fixtures/reference-checkpoint')
const views = root ? readdirSync(`${root}/parity`) : []
const read = (path: string) => readArray(`${root}/${path}`)

describe.skipIf(!root)('reference checkpoint', () => {
  it.each(views)('decodes %s', async (view) => {
    using device = await createWasmDevice({ threads: 2 })
    const config = decoderHeads({ features: 128, offsetsPerAnchor: 10 })
    const parameters = config.heads.map(({ name }) => {
      const part = (which: string) => read(`decoder-raw/mlp_${name}.${which}.npy`)
      return { w1: part('0.weight'), b1: part('0.bias'), w2: part('2.weight'), b2: part('2.bias') }
    })
    const fixed = read(`parity/${view}/anchor_feature.npy`)
    const dynamic = read(`parity/${view}/stf.npy`)
    const rows = fixed.length / 64
    const features = new Float32Array(rows * 128)
    for (let row = 0; row < rows; row++) {
      features.set(fixed.subarray(row * 64, row * 64 + 64), row * 128)
      features.set(dynamic.subarray(row * 64, row * 64 + 64), row * 128 + 64)
    }
    const heads = await createHeads(device, config)
    const x = device.from(features, [rows, 128])
    const { outputs } = heads.forward({ x }, uploadParameters(device, config, parameters), 'nothing')
    for (const [i, { name, activation }] of config.heads.entries()) {
      const tolerance = activation === 'sigmoid' ? strict : cancelling
      expectClose(await outputs[i]!.read(), read(`parity/${view}/${name}.npy`), tolerance)
    }
  })

  it.each(views)('evaluates the field of %s', async (view) => {
    using device = await createWasmDevice({ threads: 1 })
    const config = fieldHead({ inputs: 64, hidden: 128, outputs: 64 })
    const weights = read(`stf/${view.slice(0, 5)}.mlp.f16.npy`)
    const parameters: PerParameter<Float32Array>[] = [
      { w1: weights.slice(0, 128 * 64), b1: null, w2: weights.slice(128 * 64), b2: null },
    ]
    const encoding = read(`parity/${view}/stf_encoding.npy`)
    const heads = await createHeads(device, config)
    const x = device.from(encoding, [encoding.length / 64, 64])
    const { outputs } = heads.forward({ x }, uploadParameters(device, config, parameters), 'nothing')
    // The original rounds activations to half precision.
    expectClose(await outputs[0]!.read(), read(`parity/${view}/stf.npy`), { absolute: 1e-3, relative: 0 })
  })
})

function expectClose(actual: Float32Array, expected: Float32Array, tolerance: Tolerance): void {
  expect(compare({ values: actual }, { values: expected }, { values: tolerance })).toMatchObject([{ passed: true }])
}

/** The values of a little-endian .npy file of float32 or float16, in row-major order. */
function readArray(path: string): Float32Array<ArrayBuffer> {
  const file = readFileSync(path)
  const start = 10 + file.readUInt16LE(8)
  const header = file.toString('latin1', 10, start)
  const half = header.includes("'<f2'")
  if (!half && !header.includes("'<f4'")) throw new Error(`${path}: unexpected type in ${header}`)
  const width = half ? 2 : 4
  return Float32Array.from({ length: (file.length - start) / width }, (_, i) =>
    half ? fromF16(file.readUInt16LE(start + 2 * i)) : file.readFloatLE(start + 4 * i),
  )
}
