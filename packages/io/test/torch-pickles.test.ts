import { bytesSource, readTorchState } from '@clipgstream/io'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, failure, le, survives } from './helpers.js'
import {
  dict,
  global,
  int,
  list,
  long,
  matrix,
  no,
  none,
  oldDict,
  oldStr,
  type Part,
  pickle,
  state,
  str,
  tensor,
  tuple,
  yes,
} from './pickles.js'

interface Old {
  readonly magic?: Part
  readonly version?: Part
  readonly machine?: Part
  readonly object: Part
  readonly keys?: Part
  readonly storages?: readonly Part[]
}
const machine = (little: Part, write: (value: string) => Part = str): Part =>
  dict(
    ...[write('protocol_version'), int(1001), write('little_endian'), little],
    ...[write('type_sizes'), dict(write('short'), int(2), write('long'), int(8))],
  )
const floats = (...values: readonly number[]): Part =>
  concat(le(values.length, 8), new Uint8Array(Float32Array.from(values).buffer))
const six = floats(1, 2, 3, 4, 5, 6)

/** A file as torch.save wrote it before PyTorch 1.6. */
const old = (parts: Old): Uint8Array => {
  const { magic = long(0x1950a86a20f9469cfc6cn, 10), version = concat([0x4d], le(1001, 2)), object } = parts
  const { keys = list(str('94012345678912')), storages = [six] } = parts
  return concat(
    ...[pickle(magic), pickle(version), pickle(parts.machine ?? machine(yes)), object, pickle(keys)],
    ...storages,
  )
}
const key = '94012345678912'
const whole = { ...matrix, key, view: none }

test('bytes as Python writes them', async () => {
  // pickle.dumps and pickle.Pickler(persistent_id) of CPython 3, protocol 2, over stand-ins for torch's classes.
  const bytes = Buffer.from(
    [
      'gAKKCmz8nEb5IGqoUBkugAJN6QMugAJ9cQAoWBAAAABwcm90b2NvbF92ZXJzaW9ucQFN6QNYDQAAAGxpdHRsZV9lbmRpYW5xAohY',
      'CgAAAHR5cGVfc2l6ZXNxA31xBChYBQAAAHNob3J0cQVLAlgDAAAAaW50cQZLBFgEAAAAbG9uZ3EHSwR1dS6AAmNjb2xsZWN0aW9u',
      'cwpPcmRlcmVkRGljdApxAClScQEoWBEAAABmZWF0dXJlcy4wLndlaWdodHECY3RvcmNoLl91dGlscwpfcmVidWlsZF90ZW5zb3IK',
      'cQMoKFgHAAAAc3RvcmFnZXEEY3RvcmNoCkZsb2F0U3RvcmFnZQpxBVgOAAAAOTQ4MzAyNTAxMTYwMzJxBlgDAAAAY3B1cQdLBk50',
      'cQhRSwAoSwJLA0sBSwF0cQkoSwNLAUsBSwF0cQp0cQtScQxYDwAAAGZlYXR1cmVzLjAuYmlhc3ENY3RvcmNoLl91dGlscwpfcmVi',
      'dWlsZF90ZW5zb3JfdjIKcQ4oKGgEaAVYDgAAADk0ODMwMjUwMTE2MDAwcQ9oB0sCTnRxEFFLAEsChXERSwGFcRKJaAApUnETdHEU',
      'UnEVWAQAAAB0aWVkcRZoDigoaARoBWgGaAdLBk50cRdRSwFoEUsDhXEYiWgAKVJxGXRxGlJxG3V9cRxYCQAAAF9tZXRhZGF0YXEd',
      'aAApUnEeWAAAAABxH31xIFgHAAAAdmVyc2lvbnEhSwFzc3NiLoACXXEAKFgOAAAAOTQ4MzAyNTAxMTYwMDBxAVgOAAAAOTQ4MzAy',
      'NTAxMTYwMzJxAmUuAgAAAAAAAAAAAAA/AACAvgYAAAAAAAAAAADAPwAAAMAAAEBAAACAQAAAoEAAAMhA',
    ].join(''),
    'base64',
  )
  expect(Object.fromEntries(await readTorchState(bytes))).toEqual({
    'features.0.weight': { dtype: 'F32', shape: [2, 3, 1, 1], data: Float32Array.of(1.5, -2, 3, 4, 5, 6.25) },
    'features.0.bias': { dtype: 'F32', shape: [2], data: Float32Array.of(0.5, -0.25) },
    tied: { dtype: 'F32', shape: [2], data: Float32Array.of(-2, 5) },
  })
})

test('two storages in the order of their list, both ways to build a tensor', async () => {
  const object = state({
    'features.0.weight': tensor({ ...whole, rebuild: '_rebuild_tensor' }),
    turned: tensor({ ...whole, shape: [3, 2], strides: [1, 3] }),
    row: tensor({ ...whole, offset: 3, shape: [3], strides: [1] }),
    steps: tensor({ key: '7', type: 'LongStorage', count: 1, shape: [], strides: [], view: none }),
  })
  const file = old({ object, keys: list(str('7'), str(key)), storages: [concat(le(1, 8), le(-5, 8)), six] })
  for (const input of [
    file,
    bytesSource(file, 'a.pth'),
    Buffer.from(file).subarray(0),
    concat([9], file).subarray(1),
  ]) {
    const tensors = await readTorchState(input)
    expect(tensors.get('features.0.weight')).toEqual({
      dtype: 'F32',
      shape: [2, 3],
      data: Float32Array.of(1, 2, 3, 4, 5, 6),
    })
    expect(tensors.get('turned')?.data).toEqual(Float32Array.of(1, 4, 2, 5, 3, 6))
    expect(tensors.get('row')?.data).toEqual(Float32Array.of(4, 5, 6))
    expect(tensors.get('steps')).toEqual({ dtype: 'I64', shape: [], data: BigInt64Array.of(-5n) })
  }
})

test('tensors of one storage are views of it', async () => {
  const object = state({ a: tensor(whole), b: tensor({ ...whole, offset: 3, shape: [3], strides: [1] }) })
  const tensors = await readTorchState(old({ object }))
  expect(tensors.get('a')?.data.buffer).toBe(tensors.get('b')?.data.buffer)
})

test('a view of a storage', async () => {
  const view = tuple(str('5'), int(2), int(3))
  const file = (offset: number) =>
    old({ object: state({ part: tensor({ key, view, offset, shape: [2], strides: [1] }) }) })
  expect((await readTorchState(file(1))).get('part')?.data).toEqual(Float32Array.of(4, 5))
  expect(await failure(() => readTorchState(file(2)))).toMatchInlineSnapshot(
    `"FormatError: state.pth: tensor "part": expected a window of its 3 stored elements, got [2] at 2 with strides [1]"`,
  )
})

test('Python 2: byte strings, and dictionaries as lists of pairs', async () => {
  const object = pickle(oldDict({ 'lin0.model.1.weight': tensor({ ...whole, text: oldStr, count: 6 }) }))
  const file = old({ object, machine: machine(yes, oldStr), keys: list(oldStr(key)) })
  expect((await readTorchState(file)).get('lin0.model.1.weight')?.shape).toEqual([2, 3])
})

test('no tensors, and a tensor without elements', async () => {
  expect((await readTorchState(old({ object: state({}), keys: [0x5d], storages: [] }))).size).toBe(0)
  const empty = state({ none: tensor({ ...whole, count: 0, shape: [0], strides: [1] }) })
  const tensors = await readTorchState(old({ object: empty, storages: [le(0, 8)] }))
  expect(tensors.get('none')).toEqual({ dtype: 'F32', shape: [0], data: new Float32Array(0) })
})

const object = state({ t: tensor(whole) })
describe('zoo', () => {
  test.each<[string, () => Uint8Array]>([
    ['empty', () => new Uint8Array(0)],
    ['another magic number', () => old({ object, magic: long(0x1950a86a20f9469cfc6dn, 10) })],
    ['a magic number of 17 bytes', () => old({ object, magic: long(1n, 17) })],
    ['a plain pickle', () => pickle(dict(str('a'), int(1)))],
    ['another version', () => old({ object, version: int(100) })],
    ['big-endian', () => old({ object, machine: machine(no) })],
    ['a machine that is no dictionary', () => old({ object, machine: none })],
    ['a call in the machine', () => old({ object, machine: concat(global('os', 'getcwd'), [0x29, 0x52]) })],
    ['a call in the keys', () => old({ object, keys: concat(global('os', 'getcwd'), [0x29, 0x52]) })],
    ['code', () => old({ object: pickle(concat(global('os', 'system'), tuple(str('true')), [0x52])) })],
    ['a parameter', () => old({ object: pickle(concat(global('torch.nn.parameter', 'Parameter'), [0x29, 0x52])) })],
    [
      'a whole module',
      () => {
        const module = concat(tuple(str('module'), global('x', 'Y'), none, none), [0x51])
        return old({ object: pickle(module), keys: [0x5d], storages: [] })
      },
    ],
    ['an old tensor class', () => old({ object: pickle(concat(global('torch', 'FloatTensor'), [0x29, 0x52])) })],
    ['keys that are no list', () => old({ object, keys: none })],
    ['an unknown key', () => old({ object, keys: list(str('8')) })],
    ['a key that is a number', () => old({ object, keys: list(int(8)) })],
    ['a key twice', () => old({ object, keys: list(str(key), str(key)), storages: [six, six] })],
    ['a storage that is missing', () => old({ object, keys: [0x5d], storages: [] })],
    ['fewer elements than the pickle says', () => old({ object, storages: [floats(1, 2, 3, 4, 5)] })],
    ['a number of elements beyond 2^53', () => old({ object, storages: [le(2n ** 60n, 8)] })],
    ['a negative number of elements', () => old({ object, storages: [le(-6, 8)] })],
    [
      'a size that the file does not have',
      () => old({ object: state({ t: tensor({ ...whole, count: 2 ** 31 - 1 }) }), storages: [le(2 ** 31 - 1, 8)] }),
    ],
    ['a storage that is cut off', () => old({ object }).slice(0, -1)],
    ['a size that is cut off', () => old({ object, storages: [[6, 0, 0]] })],
    ['bytes at the end', () => old({ object, storages: [six, [0]] })],
    [
      'one storage with two types',
      () => old({ object: state({ a: tensor(whole), b: tensor({ ...whole, type: 'LongStorage' }) }) }),
    ],
    ['a storage without a size', () => old({ object: state({ t: tensor({ ...whole, count: -1 }) }) })],
    [
      'a view past the end',
      () => old({ object: state({ t: tensor({ ...whole, view: tuple(str('5'), int(1), int(6)) }) }) }),
    ],
    ['a view that is none', () => old({ object: state({ t: tensor({ ...whole, view: int(3) }) }) })],
    ['an expanded tensor', () => old({ object: state({ t: tensor({ ...whole, shape: [2 ** 30], strides: [0] }) }) })],
    ['a value that is no tensor', () => old({ object: state({ t: int(1) }), keys: [0x5d], storages: [] })],
  ])('%s', async (_, make) => {
    expect(await failure(() => readTorchState(make(), 'zoo.pth'))).toMatchSnapshot()
  })
})

test('fuzz: cut off anywhere', async () => {
  const file = old({ object })
  for (let length = 0; length < file.length; length++) {
    expect(await failure(() => readTorchState(file.slice(0, length)))).toContain('FormatError')
  }
})

test('fuzz: changed bytes', async () => {
  const object = state({
    a: tensor(whole),
    b: tensor({ ...whole, view: tuple(str('5'), int(2), int(3)), shape: [3], strides: [1] }),
    c: tensor({ ...whole, shape: [3, 2], strides: [1, 3], rebuild: '_rebuild_tensor' }),
  })
  const file = old({ object })
  const change = fc.tuple(fc.nat(file.length - 1), fc.nat(255))
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 5 }), async (changes) => {
      const bytes = file.slice()
      for (const [at, value] of changes) bytes[at] = value
      await survives(() => readTorchState(bytes))
    }),
    { numRuns: 600 },
  )
})
