import { readFileSync } from 'node:fs'
import {
  type ArrayData,
  bytesSource,
  type DTypeName,
  decodeHalf,
  encodeHalf,
  type NamedArray,
  openSafetensors,
  readNpy,
  readNpz,
  readSafetensors,
  safetensorsChunks,
  toFloat32,
  writeSafetensors,
} from '@clipgstream/io'
import fc from 'fast-check'
import { zipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { concat, failure, le, survives, text } from './helpers.js'

const array = (dtype: DTypeName, shape: readonly number[], data: ArrayData): NamedArray => ({ dtype, shape, data })

const tensors = {
  b: array('F32', [2, 2], Float32Array.of(1, 2, 3, Number.NaN)),
  a: array('F32', [1], Float32Array.of(-0)),
  scalar: array('I64', [], BigInt64Array.of(-5n)),
  bytes: array('U8', [3], Uint8Array.of(1, 2, 255)),
  none: array('F16', [0, 7], new Uint16Array(0)),
  half: array('F16', [2], Uint16Array.of(0x3c00, 0xc000)),
  'é __proto__ "quoted"': array('U32', [1], Uint32Array.of(2 ** 32 - 1)),
  __proto__2: array('F64', [1], Float64Array.of(Math.PI)),
}

describe('safetensors', () => {
  test('writes and reads back, in the layout of the reference implementation', async () => {
    const bytes = writeSafetensors(tensors, { step: '7', format: 'pt' })
    const { tensors: back, metadata } = readSafetensors(bytes)
    expect(new Map(Object.entries(tensors))).toEqual(new Map([...back].sort()))
    expect([...metadata]).toEqual([
      ['format', 'pt'],
      ['step', '7'],
    ])
    expect([...back.keys()]).toEqual([
      'scalar',
      '__proto__2',
      'a',
      'b',
      'é __proto__ "quoted"',
      'half',
      'none',
      'bytes',
    ])
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
    expect(length % 8).toBe(0)
    expect(new TextDecoder().decode(bytes.subarray(8, 100))).toMatch(
      /^\{"__metadata__":\{"format":"pt","step":"7"\},"scalar":/,
    )
    expect(writeSafetensors(new Map(Object.entries(tensors).reverse()), { format: 'pt', step: '7' })).toEqual(bytes)
    expect(concat(...safetensorsChunks(tensors, { step: '7', format: 'pt' }))).toEqual(bytes)
  })

  test('reads single tensors without the rest of the file', async () => {
    const bytes = writeSafetensors(tensors)
    const ranges: string[] = []
    const source = bytesSource(bytes, 'big.safetensors')
    const file = await openSafetensors({
      ...source,
      read: (start, end) => {
        ranges.push(`${start}-${end}`)
        return source.read(start, end)
      },
    })
    expect((await file.read('b')).data).toEqual(tensors.b.data)
    const { start, end } = file.entries.get('b') ?? expect.fail()
    expect(ranges).toEqual(['0-8', `8-${file.dataStart}`, `${file.dataStart + start}-${file.dataStart + end}`])
    expect(await failure(() => file.read('c'))).toMatch(/big.safetensors has no tensor "c"; it has "scalar, /)
  })

  test('bytes at an odd address are read too', () => {
    const bytes = writeSafetensors(tensors)
    const moved = concat([0], bytes).subarray(1)
    expect(readSafetensors(moved)).toEqual(readSafetensors(bytes))
  })

  const raw = (json: string, data = 0, length = text(json).length) =>
    concat(le(length, 8), text(json), new Uint8Array(data))
  const entry = (more: string) => `{"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]${more}`

  test.each<[string, Uint8Array]>([
    ['empty', new Uint8Array(0)],
    ['seven bytes', new Uint8Array(7)],
    ['a header past the end', raw('{}', 0, 100)],
    ['a header of 2^63 bytes', concat(le(2n ** 63n, 8), text('{}'))],
    ['a header over the cap', concat(le(100_000_001, 8), text('{}'))],
    ['a header that begins with a space', raw(' {}')],
    ['a list', raw('[]')],
    ['no JSON', raw('{"t":')],
    ['words behind', raw('{} x')],
    ['not UTF-8', concat(le(3, 8), [0x7b, 0xff, 0x7d])],
    ['a name twice', raw(`${entry('}')},"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4)],
    ['a key twice', raw(entry(',"dtype":"F32"}}'), 4)],
    ['an unknown key', raw(entry(',"stride":1}}'), 4)],
    ['an unknown dtype', raw('{"t":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}', 4)],
    ['a dtype of Object.prototype', raw('{"t":{"dtype":"constructor","shape":[1],"data_offsets":[0,4]}}', 4)],
    ['a negative shape', raw('{"t":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', 4)],
    ['a fractional shape', raw('{"t":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}', 4)],
    ['an overflowing shape', raw('{"t":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}')],
    ['overflow hidden by zero', raw('{"t":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}')],
    ['offsets the wrong way', raw('{"t":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', 4)],
    ['three offsets', raw('{"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}', 4)],
    ['a shape that does not match', raw('{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4)],
    ['half a byte', raw('{"t":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}', 2)],
    ['an overlap', raw(`${entry('}')},"u":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, 6)],
    ['a hole', raw(`${entry('}')},"u":{"dtype":"F32","shape":[1],"data_offsets":[5,9]}}`, 9)],
    ['bytes of nobody', raw(`${entry('}}')}`, 5)],
    ['too few bytes', raw(`${entry('}}')}`, 3)],
    ['metadata that are not strings', raw('{"__metadata__":{"a":1}}')],
    ['metadata that are a list', raw('{"__metadata__":[]}')],
    ['nesting', raw(`{"t":${'['.repeat(100)}${']'.repeat(100)}}`)],
  ])('zoo: %s', async (_, bytes) => {
    expect(await failure(() => readSafetensors(bytes, 'zoo'))).toMatchSnapshot()
    expect(await failure(() => openSafetensors(bytes, 'zoo'))).toMatch(/FormatError/)
  })

  test('an empty file of tensors is valid', () => {
    expect(readSafetensors(raw('{}')).tensors.size).toBe(0)
    expect(readSafetensors(writeSafetensors({})).tensors.size).toBe(0)
  })

  test('writer: data must fit shape, names must be free', async () => {
    expect(await failure(() => writeSafetensors({ t: array('F32', [3], new Float32Array(2)) }))).toMatchInlineSnapshot(
      `"IoError: tensor "t": F32 [3] takes 12 bytes, its data have 8"`,
    )
    expect(await failure(() => writeSafetensors({ __metadata__: tensors.a }))).toMatch(/cannot be named/)
  })

  test('fuzz', async () => {
    const seed = writeSafetensors(tensors, { a: 'b' })
    await fc.assert(
      fc.asyncProperty(
        fc.nat(seed.length + 4),
        fc.array(fc.tuple(fc.nat(seed.length), fc.oneof(fc.nat(255), fc.constantFrom(...text('{}[]",:0189-.eE\\')))), {
          maxLength: 6,
        }),
        async (length, changes) => {
          const bytes = concat(seed, new Uint8Array(4)).slice(0, length)
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
          await survives(() => readSafetensors(bytes))
        },
      ),
      { numRuns: 500 },
    )
    await fc.assert(
      fc.asyncProperty(fc.json({ maxDepth: 4 }), fc.nat(64), async (json, data) => {
        await survives(() => readSafetensors(raw(json, data)))
      }),
    )
  })
})

test('half precision in both directions, every value', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits)
  const values = decodeHalf(all)
  const back = encodeHalf(values)
  for (let bits = 0; bits < 65536; bits++) {
    if (Number.isNaN(values[bits])) expect(back[bits]! & 0x7e00).toBe(0x7e00)
    else if (back[bits] !== bits) expect.fail(`${bits} came back as ${back[bits]}`)
  }
  expect([
    ...encodeHalf(
      Float32Array.of(65519.99, 65520, 1e9, -1e9, 2 ** -25, 2 ** -25 * 1.01, 1 + 2 ** -11, 1 + 3 * 2 ** -11),
    ),
  ]).toEqual([0x7bff, 0x7c00, 0x7c00, 0xfc00, 0, 1, 0x3c00, 0x3c02])
  expect([...toFloat32(array('BF16', [2], Uint16Array.of(0x3f80, 0xc000)))]).toEqual([1, -2])
})

describe('npy', () => {
  const npy = (header: string, data: Uint8Array | readonly number[], version = 1) => {
    const size = version === 1 ? le(header.length, 2) : le(header.length, 4)
    return concat([0x93], text('NUMPY'), [version, 0], size, text(header), data)
  }

  test('orders, versions, types', () => {
    const c = readNpy(
      npy(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n",
        new Uint8Array(Float32Array.of(1.5, -2).buffer),
      ),
    )
    expect(c).toEqual(array('F32', [2, 1], Float32Array.of(1.5, -2)))
    const big = readNpy(npy("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }", [1, 0, 255, 254], 2))
    expect(big).toEqual(array('I16', [2], Int16Array.of(256, -2)))
    const fortran = readNpy(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", [1, 4, 2, 5, 3, 6], 3))
    expect(fortran).toEqual(array('U8', [2, 3], Uint8Array.of(1, 2, 3, 4, 5, 6)))
    const scalar = readNpy(npy("{'descr': '<i8', 'fortran_order': False, 'shape': (), }", le(-3, 8)))
    expect(scalar).toEqual(array('I64', [], BigInt64Array.of(-3n)))
  })

  test.each<[string, Uint8Array]>([
    ['empty', new Uint8Array(0)],
    ['version 9', npy('{}', [], 9)],
    ['a pickle', npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", [0])],
    ['records', npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", [0])],
    ['too short', npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", [0])],
    ['a huge shape', npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999999), }", [0])],
    ['a negative shape', npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", [0])],
    ['a long header', concat([0x93], text('NUMPY'), [2, 0], le(2 ** 31, 4), text('{}'))],
  ])('zoo: %s', async (_, bytes) => {
    expect(await failure(() => readNpy(bytes, 'zoo'))).toMatchSnapshot()
  })

  test('fuzz', async () => {
    const seed = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n", new Uint8Array(8))
    await fc.assert(
      fc.asyncProperty(
        fc.nat(seed.length),
        fc.array(fc.tuple(fc.nat(seed.length), fc.nat(255)), { maxLength: 4 }),
        async (length, changes) => {
          const bytes = seed.slice(0, length)
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
          await survives(() => readNpy(bytes))
        },
      ),
      { numRuns: 300 },
    )
  })

  test('archives', async () => {
    const one = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", [1, 2])
    const arrays = await readNpz(zipSync({ 'one.npy': one }))
    expect(arrays).toEqual(new Map([['one', array('U8', [2], Uint8Array.of(1, 2))]]))
  })
})

const vectors = fixture('fixtures/gsplat-vectors')
describe.skipIf(!vectors)('files of other programs', () => {
  test.each(['tiny', 'basic'])('%s_case.safetensors reads, and writes to the same bytes', (name) => {
    const bytes = new Uint8Array(readFileSync(`${vectors}/${name}_case.safetensors`))
    const { tensors: all, metadata } = readSafetensors(bytes)
    expect(all.get('out_img')?.shape).toEqual([82, 123, 4])
    expect(writeSafetensors(all, Object.fromEntries(metadata))).toEqual(bytes)
  })

  test('test_garden.npz', async () => {
    const arrays = await readNpz(readFileSync(`${vectors}/test_garden.npz`))
    expect(arrays.get('means3d')?.shape).toEqual([138766, 3])
  })
})
