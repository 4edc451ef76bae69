import { readFileSync } from 'node:fs'
import {
  countVertices,
  type Ply,
  plyColumn,
  plyElement,
  readGaussianPly,
  readPly,
  readPointCloud,
  writeGaussianPly,
  writePly,
  writePointCloud,
} from '@clipgstream/io'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { concat, f64, failure, le, survives, text } from './helpers.js'

const formats = ['ascii', 'binary_little_endian', 'binary_big_endian'] as const

const everything: Ply = {
  format: 'ascii',
  comments: ['one', 'made of words'],
  elements: [
    {
      name: 'vertex',
      count: 3,
      columns: [
        { name: 'a', type: 'int8', values: Int8Array.of(-128, 0, 127) },
        { name: 'b', type: 'uint8', values: Uint8Array.of(0, 1, 255) },
        { name: 'c', type: 'int16', values: Int16Array.of(-32768, 0, 32767) },
        { name: 'd', type: 'uint16', values: Uint16Array.of(0, 1, 65535) },
        { name: 'e', type: 'int32', values: Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1) },
        { name: 'f', type: 'uint32', values: Uint32Array.of(0, 1, 2 ** 32 - 1) },
        { name: 'g', type: 'float32', values: Float32Array.of(0.1, -1e-40, Number.NaN) },
        { name: 'h', type: 'float64', values: Float64Array.of(0.1, -1e300, Number.NEGATIVE_INFINITY) },
      ],
    },
    {
      name: 'face',
      count: 2,
      columns: [
        {
          name: 'index',
          type: 'int32',
          countType: 'uint8',
          starts: Uint32Array.of(0, 3, 3),
          values: Int32Array.of(1, 2, -3),
        },
        { name: 'flag', type: 'uint8', values: Uint8Array.of(7, 8) },
        {
          name: 'uv',
          type: 'float32',
          countType: 'uint32',
          starts: Uint32Array.of(0, 0, 2),
          values: Float32Array.of(0.5, 1.5),
        },
      ],
    },
    { name: 'empty', count: 0, columns: [{ name: 'x', type: 'float32', values: new Float32Array(0) }] },
  ],
}

test.each(formats)('%s: writes and reads every type, lists, comments, several elements', (format) => {
  expect(readPly(writePly({ ...everything, format }))).toEqual({ ...everything, format })
})

test('ascii numbers read back to the same bits', () => {
  fc.assert(
    fc.property(fc.float32Array({ noNaN: true }), fc.float64Array({ noNaN: true }), (singles, doubles) => {
      const count = Math.min(singles.length, doubles.length)
      const columns = [
        { name: 's', type: 'float32' as const, values: singles.slice(0, count) },
        { name: 'd', type: 'float64' as const, values: doubles.slice(0, count) },
      ]
      const { elements } = readPly(writePly({ format: 'ascii', elements: [{ name: 'vertex', count, columns }] }))
      expect(elements[0]?.columns).toEqual(columns)
    }),
    { numRuns: 50 },
  )
})

test('header variants: CRLF, tabs, obj_info, old and new type names, unknown elements, trailing bytes', () => {
  const file = [
    'ply',
    'format ascii 1.0',
    'obj_info from a scanner',
    'element  vertex\t2 ',
    'property float32 x',
    'property double y',
    'property uint8 z',
    'element thing 1',
    'property list uchar short s',
    'end_header',
    '1 2.5e0 3',
    '  -4. .5 +6 ',
    '2 7 8',
    'trailing words',
    '',
  ].join('\r\n')
  const ply = readPly(text(file))
  expect(ply.comments).toEqual(['from a scanner'])
  expect(plyColumn(plyElement(ply, 'vertex'), 'x')?.values).toEqual(Float32Array.of(1, -4))
  expect(plyColumn(plyElement(ply, 'vertex'), 'y')?.values).toEqual(Float64Array.of(2.5, 0.5))
  expect(readPointCloud(text(file)).positions).toEqual(Float32Array.of(1, 2.5, 3, -4, 0.5, 6))
})

const folder = fixture('fixtures/ply')
describe.skipIf(!folder)('files of other programs', () => {
  test('one mesh in three encodings', () => {
    const [ascii, little, big] = ['_ascii', '', '_big_endian'].map((suffix) => {
      return readPly(readFileSync(`${folder}/platonic_shelf${suffix}.ply`), 'shelf')
    })
    if (!ascii || !little || !big) return expect.fail()
    for (const other of [ascii, big]) {
      for (const { name, count, columns } of little.elements) {
        const element = plyElement(other, name)
        expect(element.count).toBe(count)
        columns.forEach((column, c) => {
          const pair = element.columns[c]
          expect(pair?.values.length).toBe(column.values.length)
          column.values.forEach((value, i) => {
            expect(pair?.values[i]).toBeCloseTo(value, 5)
          })
        })
      }
    }
  })

  test('points with colours', () => {
    const bytes = readFileSync(`${folder}/points_trimesh.ply`)
    const cloud = readPointCloud(bytes)
    expect([cloud.count, cloud.positions.length, cloud.colors?.length]).toEqual([100, 300, 300])
    expect(readPointCloud(writePointCloud(cloud))).toEqual(cloud)
    expect(countVertices(bytes.subarray(0, 400))).toBe(100)
  })
})

test('clouds: double precision, float colours, none, empty', async () => {
  const bytes = writePointCloud({ positions: Float64Array.of(0.1, 1e-3, 7) })
  expect(readPly(bytes).elements[0]?.columns[0]?.type).toBe('float64')
  expect(readPointCloud(bytes)).toEqual({ count: 1, positions: Float32Array.of(0.1, 1e-3, 7), colors: null })
  expect(readPointCloud(writePointCloud({ positions: new Float32Array(0) })).count).toBe(0)
  const columns = ['x', 'y', 'z', 'red', 'green', 'blue'].map((name, i) => {
    return { name, type: 'float32' as const, values: Float32Array.of(i / 5) }
  })
  expect(readPointCloud(writePly({ elements: [{ name: 'vertex', count: 1, columns }] })).colors).toEqual(
    Uint8Array.of(153, 204, 255),
  )
  expect(await failure(() => writePointCloud({ positions: new Float32Array(4) }))).toMatch(/\[count, 3\]/)
})

test('Gaussians as viewers read them', async () => {
  const cloud = {
    means: Float32Array.of(1, 2, 3, 4, 5, 6),
    scales: Float32Array.of(0.1, 0.2, 0.3, 1, 2, 3),
    rotations: Float32Array.of(2, 0, 0, 0, 1, 1, 1, 1),
    opacities: Float32Array.of(0.25, 1),
    colors: Float32Array.of(0, 0.5, 1, 0.2, 0.3, 0.4),
  }
  const bytes = writeGaussianPly(cloud, ['frame 7'])
  const ply = readPly(bytes)
  expect(ply.elements[0]?.columns.map(({ name }) => name).join(' ')).toBe(
    'x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3',
  )
  const back = readGaussianPly(bytes)
  back.colors.forEach((value, i) => {
    expect(value).toBeCloseTo(cloud.colors[i] ?? 0, 6)
  })
  expect(back.opacities[0]).toBeCloseTo(0.25, 6)
  expect(back.opacities[1]).toBeGreaterThan(0.999999)
  expect([...back.rotations]).toEqual([1, 0, 0, 0, 0.5, 0.5, 0.5, 0.5])
  expect(back.scales[5]).toBeCloseTo(3, 5)
  const bad = { ...cloud, rotations: new Float32Array(8) }
  expect(await failure(() => writeGaussianPly(bad))).toMatchInlineSnapshot(
    `"IoError: Gaussian 0: its rotation has no length"`,
  )
  expect(await failure(() => writeGaussianPly({ ...cloud, means: new Float32Array(3) }))).toMatchInlineSnapshot(
    `"IoError: means must be [2, 3] as opacities are [2], got 3 values"`,
  )
})

const header = (...lines: readonly string[]) =>
  ['ply', 'format binary_little_endian 1.0', ...lines, 'end_header', ''].join('\n')
const xyz = ['property float x', 'property float y', 'property float z']

test.each<[string, Uint8Array]>([
  ['empty file', text('')],
  ['no ply', text('PLY\nformat ascii 1.0\nend_header\n')],
  ['no line end', text('ply'.repeat(1000))],
  ['no format', text('ply\nend_header\n')],
  ['an unknown format', text('ply\nformat binary 2.0\nend_header\n')],
  ['no end_header', text('ply\nformat ascii 1.0\nelement vertex 1\n')],
  ['a property without element', text(header('property float x'))],
  ['an unknown type', text(header('element vertex 1', 'property half x'))],
  ['a list with a float length', text(header('element vertex 1', 'property list float int x'))],
  ['a count that is no number', text(header('element vertex -1'))],
  ['a property twice', text(header('element vertex 1', 'property float x', 'property float x'))],
  ['a huge count', text(header('element vertex 999999999999', ...xyz))],
  ['a huge ascii count', text('ply\nformat ascii 1.0\nelement vertex 900000000\nproperty uchar x\nend_header\n1\n')],
  ['a truncated body', concat(text(header('element vertex 2', ...xyz)), new Uint8Array(23))],
  [
    'a list past the end',
    concat(text(header('element face 1', 'property list uint double i')), le(2 ** 32 - 1, 4), f64(1)),
  ],
  ['a negative list', concat(text(header('element face 1', 'property list int uchar i')), le(-1, 4))],
  ['ascii: a word', text('ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n\nhello\n')],
  ['ascii: out of range', text('ply\nformat ascii 1.0\nelement vertex 1\nproperty uchar x\nend_header\n256\n')],
  ['ascii: too few', text('ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nend_header\n1.25\n')],
  [
    'ascii: a huge list',
    text('ply\nformat ascii 1.0\nelement f 1\nproperty list uint int i\nend_header\n4000000000 1\n'),
  ],
])('zoo: %s', async (_, bytes) => {
  expect(await failure(() => readPly(bytes, 'zoo.ply'))).toMatchSnapshot()
})

test('zoo: clouds without what they need', async () => {
  expect(await failure(() => readPointCloud(text(header('element point 0', ...xyz)), 'c.ply'))).toMatch(/vertex/)
  const flat = concat(text(header('element vertex 1', 'property float x', 'property float y')), new Uint8Array(8))
  expect(await failure(() => readPointCloud(flat, 'c.ply'))).toMatchInlineSnapshot(
    `"FormatError: c.ply: element vertex: expected a property z, got x, y"`,
  )
  const nan = writePointCloud({ positions: Float32Array.of(0, 0, 0, 1, Number.NaN, 1) })
  expect(await failure(() => readPointCloud(nan, 'c.ply'))).toMatchInlineSnapshot(
    `"FormatError: c.ply: element vertex row 1, property y: expected a finite number of single precision, got NaN"`,
  )
})

test('writers refuse what would not read back', async () => {
  const element = (name: string, values = Uint8Array.of(1)) => ({
    name: 'v',
    count: 1,
    columns: [{ name, type: 'uint8' as const, values }],
  })
  expect(await failure(() => writePly({ elements: [element('two words')] }))).toMatchInlineSnapshot(
    `"IoError: PLY element v: names are ASCII words, got "two words""`,
  )
  expect(await failure(() => writePly({ elements: [element('x', Uint8Array.of(1, 2))] }))).toMatch(
    /2 values for 1 rows/,
  )
  expect(await failure(() => writePly({ comments: ['a\nb'], elements: [] }))).toMatch(/one line/)
  const list = {
    name: 'l',
    type: 'uint8',
    countType: 'uint8',
    starts: Uint32Array.of(0, 300),
    values: new Uint8Array(300),
  } as const
  expect(await failure(() => writePly({ elements: [{ name: 'v', count: 1, columns: [list] }] }))).toMatch(
    /does not fit uint8/,
  )
})

test('fuzz: cut, changed and random bytes', async () => {
  const seeds = formats.map((format) => writePly({ ...everything, format }))
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...seeds),
      fc.nat(2000),
      fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { maxLength: 8 }),
      async (seed, length, changes) => {
        const bytes = seed.slice(0, length)
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
        await survives(() => readPly(bytes))
        await survives(() => readPointCloud(bytes))
        await survives(() => readGaussianPly(bytes))
      },
    ),
    { numRuns: 400 },
  )
  const word = fc.constantFrom(
    'element',
    'property',
    'list',
    'vertex',
    'x',
    'float',
    'uchar',
    '4294967295',
    '1e9',
    '-1',
    'format',
    'end_header',
    '\n',
    '\r\n',
    '\0',
  )
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 40 }), fc.uint8Array({ maxLength: 200 }), async (words, tail) => {
      await survives(() => readPly(concat(text(`ply\nformat ascii 1.0\n${words.join(' ')}\nend_header\n`), tail)))
      await survives(() => readPly(tail))
    }),
    { numRuns: 200 },
  )
})
