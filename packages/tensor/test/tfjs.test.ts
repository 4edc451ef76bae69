import { ArgumentError, createRandom, DisposedError, fromF16, toF16 } from '@clipgstream/tensor'
import { fromTfjs, loadTfjs, TfjsUnavailableError, toTfjs } from '@clipgstream/tensor/tfjs'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import * as tf from '@tensorflow/tfjs'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

let device: WasmDevice

beforeAll(() => tf.ready())

beforeEach(async () => {
  device = await createWasmDevice({ threads: 1, poison: true })
})

afterEach(() => {
  expect(device.bytesInUse).toBe(0)
  expect(tf.memory().numTensors).toBe(0)
  device.dispose()
})

describe('tensors out and in', () => {
  it.each([
    ['f32', Float32Array.of(1.5, -0, Number.NaN, 1e-40, Number.NEGATIVE_INFINITY, 3), 'float32', 'f32'],
    ['i32', Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 0, 1, 2, 3), 'int32', 'i32'],
    ['u32', Uint32Array.of(0, 1, 2, 3, 4, 2 ** 31 - 1), 'int32', 'i32'],
    ['u8', Uint8Array.of(0, 1, 127, 128, 254, 255), 'int32', 'i32'],
  ] as const)('%s', async (_, values, tfjsType, back) => {
    using tensor = device.from<Float32Array | Int32Array | Uint32Array | Uint8Array>(values, [2, 3])
    const out = await toTfjs(tensor, tf)
    expect(out.dtype).toBe(tfjsType)
    expect(out.shape).toEqual([2, 3])
    using returned = await fromTfjs(device, out)
    out.dispose()
    expect(returned.dtype).toBe(back)
    expect(returned.shape).toEqual([2, 3])
    expect([...(await returned.read())]).toEqual([...values])
  })

  it('f16 is widened exactly', async () => {
    const bits = Uint16Array.of(toF16(1 / 3), 0x0001, 0x7bff, 0x8000, 0x7c00)
    using tensor = device.from(bits)
    const out = await toTfjs(tensor, tf)
    expect([...(await out.data())]).toEqual(Array.from(bits, fromF16))
    out.dispose()
  })

  it('bool becomes 0 and 1', async () => {
    const flags = tf.tensor([true, false, true], [3], 'bool')
    using tensor = await fromTfjs(device, flags)
    expect(tensor.dtype).toBe('u8')
    expect([...(await tensor.read())]).toEqual([1, 0, 1])
    flags.dispose()
  })

  it.each([[[]], [[0]], [[2, 0, 3]], [[1, 2, 1, 2, 1, 2]]])('shape %j', async (shape) => {
    const size = shape.reduce((product, extent) => product * extent, 1)
    using tensor = device.from(new Float32Array(size).fill(7), shape)
    const out = await toTfjs(tensor, tf)
    using returned = await fromTfjs(device, out)
    expect(returned.shape).toEqual(shape)
    expect([...(await returned.read())]).toEqual(new Array(size).fill(7))
    out.dispose()
  })

  it('no side sees what the other writes afterwards', async () => {
    using tensor = device.from(Float32Array.of(1, 2, 3))
    const out = await toTfjs(tensor, tf)
    using returned = await fromTfjs(device, out)
    device.fill(tensor, 9)
    device.fill(returned, 8)
    expect([...(await out.data())]).toEqual([1, 2, 3])
    const data = await out.data()
    data[0] = 5
    expect((await returned.read())[0]).toBe(8)
    expect((await tensor.read())[0]).toBe(9)
    out.dispose()
  })

  it('a result belongs to the scope that was open at the call', async () => {
    const source = tf.tensor([1, 2])
    let pending: ReturnType<typeof fromTfjs> | undefined
    {
      using _ = device.scope()
      pending = fromTfjs(device, source)
    }
    await expect(pending).rejects.toThrow(DisposedError)
    source.dispose()
    expect(() => fromTfjs(device, source)).toThrow(DisposedError)
  })

  it('says which dtypes do not fit', async () => {
    const complex = tf.complex([1], [2])
    const text = tf.tensor(['a'])
    expect(() => fromTfjs(device, complex)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: fromTfjs: dtype must be one of float32, int32, bool, got complex64]`,
    )
    expect(() => fromTfjs(device, text)).toThrow(ArgumentError)
    tf.dispose([complex, text])
    using large = device.from(Uint32Array.of(2 ** 31), [1], 'keys')
    await expect(toTfjs(large, tf)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: toTfjs: keys must be below 2^31 to fit int32, got 2147483648]`,
    )
  })

  it('a tfjs computation agrees with plain arithmetic', async () => {
    const random = createRandom(1)
    const a = Float32Array.from({ length: 6 }, () => random.normal())
    const b = Float32Array.from({ length: 6 }, () => random.normal())
    using left = device.from(a, [2, 3])
    using right = device.from(b, [3, 2])
    const [l, r] = await Promise.all([toTfjs(left, tf), toTfjs(right, tf)])
    const product = tf.matMul(l, r)
    using result = await fromTfjs(device, product)
    tf.dispose([l, r, product])
    expect((await result.read())[0]).toBeCloseTo(a[0]! * b[0]! + a[1]! * b[2]! + a[2]! * b[4]!, 6)
  })
})

describe('loading tfjs', () => {
  const missing = (name: string) =>
    Object.assign(new Error(`Cannot find package '${name}' imported from here`), { code: 'ERR_MODULE_NOT_FOUND' })

  it('takes the first that works here and says which', async () => {
    const { tf: loaded, from, backend } = await loadTfjs()
    expect(from).toMatch(/^@tensorflow\/tfjs/)
    expect(backend).toBe(loaded.getBackend())
    using tensor = device.from(Int32Array.of(4))
    const out = await toTfjs(tensor, loaded)
    expect([...(await out.data())]).toEqual([4])
    out.dispose()
  })

  it('prefers the GPU binding', async () => {
    const gpu = { tensor: tf.tensor, ready: async () => {}, getBackend: () => 'tensorflow' }
    const asked: string[] = []
    const load = async (name: string) => {
      asked.push(name)
      return { default: gpu }
    }
    expect(await loadTfjs(load)).toEqual({
      tf: gpu,
      from: '@tensorflow/tfjs-node-gpu',
      backend: 'tensorflow',
      passedOver: [],
    })
    expect(asked).toEqual(['@tensorflow/tfjs-node-gpu'])
  })

  it('says why an installed binding was passed over', async () => {
    const load = async (name: string) => {
      if (name === '@tensorflow/tfjs-node-gpu')
        throw new Error('libcudart.so.11.0: cannot open shared object file\n...')
      if (name === '@tensorflow/tfjs') return tf
      throw missing(name)
    }
    const { from, passedOver } = await loadTfjs(load)
    expect(from).toBe('@tensorflow/tfjs')
    expect(passedOver).toEqual([
      { name: '@tensorflow/tfjs-node-gpu', reason: 'libcudart.so.11.0: cannot open shared object file' },
    ])
  })

  it('takes the core with a backend of its own', async () => {
    const load = async (name: string) => {
      if (name === '@tensorflow/tfjs-core' || name === '@tensorflow/tfjs-backend-wasm') return tf
      throw missing(name)
    }
    expect((await loadTfjs(load)).from).toBe('@tensorflow/tfjs-core + @tensorflow/tfjs-backend-wasm')
  })

  it('says what it looked for when there is none', async () => {
    const load = (name: string) => Promise.reject(missing(name))
    await expect(loadTfjs(load)).rejects.toThrow(TfjsUnavailableError)
    await expect(loadTfjs(load)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[TfjsUnavailableError: no tfjs was found (looked for @tensorflow/tfjs-node-gpu, @tensorflow/tfjs-node, @tensorflow/tfjs, @tensorflow/tfjs-core + @tensorflow/tfjs-backend-webgpu, @tensorflow/tfjs-core + @tensorflow/tfjs-backend-webgl, @tensorflow/tfjs-core + @tensorflow/tfjs-backend-wasm, @tensorflow/tfjs-core + @tensorflow/tfjs-backend-cpu). Install one, for example @tensorflow/tfjs, or pass your own tf to toTfjs]`,
    )
  })
})
