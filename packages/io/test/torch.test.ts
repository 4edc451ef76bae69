import { readdirSync, readFileSync } from 'node:fs'
import { type NamedArray, readNpy, readTorchState } from '@clipgstream/io'
import fc from 'fast-check'
import { zipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { concat, failure, le, survives, text } from './helpers.js'

// The opcodes of pickles, as torch.save writes them.
type Part = Uint8Array | readonly number[]
const global = (module: string, name: string): Part => concat(text('c'), text(`${module}\n${name}\n`))
const str = (value: string): Part => concat([0x58], le(text(value).length, 4), text(value))
const int = (value: number): Part => (value < 256 ? [0x4b, value] : concat([0x4a], le(value, 4)))
const tuple = (...items: readonly Part[]): Part => concat([0x28], ...items, [0x74])
const orderedDict = concat(global('collections', 'OrderedDict'), [0x29, 0x52])
const storage = (type: string, key: string, count: number): Part => {
  return concat(tuple(str('storage'), global('torch', type), str(key), str('cuda:0'), int(count)), [0x51])
}
interface Window {
  readonly type?: string
  readonly key?: string
  readonly offset?: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]
}
const tensor = ({ type = 'FloatStorage', key = '0', offset = 0, shape, strides }: Window): Part =>
  concat(
    global('torch._utils', '_rebuild_tensor_v2'),
    tuple(
      storage(type, key, 6),
      int(offset),
      tuple(...shape.map(int)),
      tuple(...strides.map(int)),
      [0x89],
      orderedDict,
    ),
    [0x52],
  )
const state = (entries: Record<string, Part>): Part =>
  concat(
    [0x80, 2],
    orderedDict,
    [0x28],
    ...Object.entries(entries).flatMap(([name, value]) => [str(name), value]),
    [0x75, 0x2e],
  )
const archive = (pickle: Part, files: Record<string, Uint8Array> = {}) =>
  zipSync({ 'model/data.pkl': Uint8Array.from(pickle), 'model/byteorder': text('little'), ...files }, { level: 0 })
const six = { 'model/data/0': new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer) }
const matrix: Window = { shape: [2, 3], strides: [3, 1] }

test('windows of a storage: whole, offset, transposed, shared', async () => {
  const pickle = state({
    whole: tensor(matrix),
    row: tensor({ offset: 3, shape: [3], strides: [1] }),
    turned: tensor({ shape: [3, 2], strides: [1, 3] }),
    scalar: tensor({ offset: 5, shape: [], strides: [] }),
    none: tensor({ offset: 6, shape: [0], strides: [1] }),
  })
  const tensors = await readTorchState(archive(pickle, six))
  const numbers = (name: string) => [...(tensors.get(name)?.data ?? [])]
  expect(tensors.get('whole')).toEqual({ dtype: 'F32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) })
  expect([numbers('row'), numbers('turned'), numbers('scalar'), numbers('none')]).toEqual([
    [4, 5, 6],
    [1, 4, 2, 5, 3, 6],
    [6],
    [],
  ])
})

test.each<[string, () => Uint8Array]>([
  ['code', () => archive(concat([0x80, 2], global('os', 'system'), tuple(str('true')), [0x52, 0x2e]))],
  [
    'code in a protocol 4 name',
    () => archive(concat([0x80, 4], str('os'), str('system'), [0x93], tuple(str('true')), [0x52, 0x2e])),
  ],
  ['an object with state', () => archive(concat([0x80, 2], global('x', 'Y'), [0x29, 0x81, 0x2e]))],
  ['INST', () => archive(concat([0x80, 2, 0x28, 0x69], text('os\nsystem\n'), [0x2e]))],
  ['a text persistent id', () => archive(concat([0x80, 2, 0x50], text('0\n'), [0x2e]))],
  [
    'OrderedDict with arguments',
    () => archive(concat([0x80, 2], global('collections', 'OrderedDict'), tuple(int(1)), [0x52, 0x2e])),
  ],
  ['a storage of objects', () => archive(state({ t: tensor({ ...matrix, type: 'ObjectStorage' }) }), six)],
  ['a storage key that is a path', () => archive(state({ t: tensor({ ...matrix, key: '../../x' }) }), six)],
  ['a storage that is missing', () => archive(state({ t: tensor({ ...matrix, key: '1' }) }), six)],
  ['a window past the end', () => archive(state({ t: tensor({ ...matrix, offset: 1 }) }), six)],
  ['an expanded tensor', () => archive(state({ t: tensor({ shape: [2 ** 30], strides: [0] }) }), six)],
  ['strides that do not match', () => archive(state({ t: tensor({ shape: [2, 3], strides: [1] }) }), six)],
  ['a value that is no tensor', () => archive(state({ t: int(1) }))],
  ['an empty stack', () => archive([0x80, 2, 0x52, 0x2e])],
  ['no end', () => archive([0x80, 2, 0x29])],
  ['a memo entry that was never put', () => archive([0x80, 2, 0x68, 9, 0x2e])],
  ['a text past the end', () => archive(concat([0x80, 2, 0x58], le(2 ** 32 - 1, 4), [0x2e]))],
  ['a long number', () => archive(concat([0x80, 2, 0x8a, 255], new Uint8Array(255), [0x2e]))],
  ['protocol 0', () => archive([0x80, 0, 0x2e])],
  ['big-endian', () => archive(state({}), { 'model/byteorder': text('big') })],
  ['no pickle', () => zipSync({ 'model/version': text('3') })],
  ['two pickles', () => zipSync({ 'a/data.pkl': text(''), 'b/data.pkl': text('') })],
  ['a pickle of 20 MiB', () => archive(new Uint8Array(20 * 2 ** 20))],
  ['the old container', () => Uint8Array.of(0x80, 2, 0x8a, 10)],
])('zoo: %s', async (_, make) => {
  expect(await failure(() => readTorchState(make(), 'zoo.pth'))).toMatchSnapshot()
})

test('fuzz', async () => {
  const seed = Uint8Array.from(state({ a: tensor(matrix), b: tensor({ shape: [3, 2], strides: [1, 3] }) }))
  await fc.assert(
    fc.asyncProperty(
      fc.nat(seed.length),
      fc.array(fc.tuple(fc.nat(seed.length), fc.nat(255)), { maxLength: 5 }),
      async (length, changes) => {
        const pickle = length % 3 === 0 ? seed.slice(0, length) : seed.slice()
        for (const [at, value] of changes) if (at < pickle.length) pickle[at] = value
        await survives(() => readTorchState(archive(pickle, six)))
      },
    ),
    { numRuns: 400 },
  )
  const whole = archive(seed, six)
  await fc.assert(
    fc.asyncProperty(
      fc.nat(whole.length),
      fc.array(fc.tuple(fc.nat(whole.length), fc.nat(255)), { maxLength: 5 }),
      async (length, changes) => {
        const bytes = length % 2 === 0 ? whole.slice(0, length) : whole.slice()
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
        await survives(() => readTorchState(bytes))
      },
    ),
    { numRuns: 300 },
  )
})

const checkpoint = fixture('fixtures/reference-checkpoint')
describe.skipIf(!checkpoint)('decoders that PyTorch saved', () => {
  test.each(checkpoint ? readdirSync(`${checkpoint}/decoder`) : [])('%s', async (name) => {
    const tensors = await readTorchState(readFileSync(`${checkpoint}/decoder/${name}`), name)
    expect(tensors.size).toBeGreaterThan(0)
    for (const [key, value] of tensors) {
      const expected: NamedArray = readNpy(
        readFileSync(`${checkpoint}/decoder-raw/${name.replace('.pth', '')}.${key}.npy`),
      )
      expect(value.shape).toEqual(expected.shape)
      expect(Buffer.compare(bytesOf(value), bytesOf(expected))).toBe(0)
    }
  })
})

function bytesOf({ data }: NamedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}
