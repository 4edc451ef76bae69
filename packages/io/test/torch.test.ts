import { readdirSync, readFileSync } from 'node:fs'
import { type NamedArray, readNpy, readTorchState } from '@clipgstream/io'
import fc from 'fast-check'
import { zipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { concat, failure, le, survives, text } from './helpers.js'
import { global, int, list, matrix, type Part, pickle, state, str, tensor, tuple } from './pickles.js'

const archive = (pickle: Part, files: Record<string, Uint8Array> = {}) =>
  zipSync({ 'model/data.pkl': Uint8Array.from(pickle), 'model/byteorder': text('little'), ...files }, { level: 0 })
const six = { 'model/data/0': new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer) }

const turned = (count: number) =>
  Array.from({ length: count }, (_, i): [string, Part] => [`t${i}`, tensor({ shape: [3, 2], strides: [1, 3] })])

test('windows of a storage: whole, offset, transposed, shared', async () => {
  const content = state({
    whole: tensor(matrix),
    row: tensor({ offset: 3, shape: [3], strides: [1] }),
    turned: tensor({ shape: [3, 2], strides: [1, 3] }),
    scalar: tensor({ offset: 5, shape: [], strides: [] }),
    none: tensor({ offset: 6, shape: [0], strides: [1] }),
  })
  const tensors = await readTorchState(archive(content, six))
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
  ['neither zip nor pickles', () => text('<html>')],
  ['a tar archive', () => concat(new Uint8Array(257), text('ustar'), new Uint8Array(250))],
  ['a shape of 33 axes', () => archive(state({ t: tensor({ shape: Array(33).fill(1), strides: [] }) }), six)],
  ['copies without end', () => archive(state(Object.fromEntries(turned(17))), six)],
  [
    'an OrderedDict of no pairs',
    () => archive(pickle(concat(global('collections', 'OrderedDict'), list(list(int(1))), [0x85, 0x52]))),
  ],
  [
    'an OrderedDict again and again',
    () => {
      const pairs = list(...Array.from({ length: 1000 }, () => tuple(int(1), int(1))))
      const again = Array.from({ length: 2000 }, () => [0x68, 0, 0x68, 1, 0x85, 0x52, 0x30])
      return archive(pickle(concat(global('collections', 'OrderedDict'), [0x71, 0], pairs, [0x71, 1], ...again)))
    },
  ],
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
        const changed = length % 3 === 0 ? seed.slice(0, length) : seed.slice()
        for (const [at, value] of changes) if (at < changed.length) changed[at] = value
        await survives(() => readTorchState(archive(changed, six)))
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
