import {
  type ColmapModel,
  colmapCameraModels,
  memoryFolder,
  poseMatrix,
  readColmapModel,
  writeColmapModel,
} from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { concat, f64, failure, le, survives, text } from './helpers.js'

const cameras = {
  'cameras.txt': '# comment\n\n1 PINHOLE 640 480 500.5 501 320.25 240\r\n7 SIMPLE_RADIAL 10 20 9 5 10 -0.1\n',
}
const images = {
  'images.txt': [
    '# header',
    '3 2 0 0 0 1 2 3 1 folder/cam 00.jpg',
    '1.5 2.5 -1 3 4 10',
    '4 0.5 0.5 0.5 0.5 0 0 0 7 Zoë.png',
    '',
  ].join('\n'),
}
const points = { 'points3D.txt': '# none\n10 1 2 3.5 255 0 7 0.25 3 1 4 0\n11 0 0 0 1 2 3 0\n' }
const textModel = { ...cameras, ...images, ...points }

test('text: comments, CRLF, spaces in names, empty point lines, a missing last line', async () => {
  const model = await readColmapModel(memoryFolder(textModel), '')
  expect([model.format, model.layout]).toEqual(['text', 'classic'])
  expect(model.cameras.get(1)).toEqual({
    id: 1,
    model: 'PINHOLE',
    width: 640,
    height: 480,
    params: [500.5, 501, 320.25, 240],
  })
  expect([...model.images.values()].map(({ name }) => name)).toEqual(['folder/cam 00.jpg', 'Zoë.png'])
  expect(model.images.get(3)?.pose).toEqual({ rotation: [1, 0, 0, 0], translation: [1, 2, 3] })
  expect(model.images.get(3)?.points2D).toEqual({
    xy: Float64Array.of(1.5, 2.5, 3, 4),
    pointIds: BigInt64Array.of(-1n, 10n),
  })
  expect(model.images.get(4)?.points2D?.pointIds.length).toBe(0)
  expect(model.points3D).toEqual({
    count: 2,
    ids: BigInt64Array.of(10n, 11n),
    positions: Float64Array.of(1, 2, 3.5, 0, 0, 0),
    colors: Uint8Array.of(255, 0, 7, 1, 2, 3),
    errors: Float64Array.of(0.25, 0),
    trackStarts: Uint32Array.of(0, 2, 2),
    trackImageIds: Uint32Array.of(3, 4),
    trackPoints2D: Uint32Array.of(1, 0),
  })
  // w = x = y = z turns x to y to z to x.
  expect(poseMatrix(model.images.get(4)?.pose ?? expect.fail())).toEqual([0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0])
  const slim = await readColmapModel(memoryFolder(textModel), '', { points2D: false, points3D: false })
  expect([slim.images.get(3)?.points2D, slim.points3D]).toEqual([null, null])
})

const same = ({ cameras: c, images: i, points3D }: ColmapModel) => ({ c, i, points3D })

test.each(['binary', 'text'] as const)('%s: writes what it reads', async (format) => {
  const model = await readColmapModel(memoryFolder(textModel), '')
  const files = writeColmapModel(
    { cameras: model.cameras.values(), images: model.images.values(), points3D: model.points3D },
    format,
  )
  const back = await readColmapModel(memoryFolder(files), '')
  expect(back.format).toBe(format)
  expect(same(back)).toEqual(same(model))
})

test('every camera model, by name and by number', async () => {
  const all = colmapCameraModels.map(({ id, name, parameters }) => {
    return { id: id + 1, model: name, width: 8, height: 6, params: parameters.map((_, i) => i + 1) }
  })
  expect(colmapCameraModels.map(({ parameters }) => parameters.length)).toEqual([
    3, 4, 4, 5, 8, 8, 12, 5, 4, 5, 12, 16, 4, 5, 3, 4, 6, 2,
  ])
  for (const format of ['binary', 'text'] as const) {
    const { cameras: back } = await readColmapModel(
      memoryFolder(writeColmapModel({ cameras: all, images: [] }, format)),
      '',
    )
    expect([...back.values()]).toEqual(all)
  }
})

test('rigs: the pose of an image is that of its sensor after that of its frame', async () => {
  const half = Math.SQRT1_2
  const files = {
    'cameras.txt': '1 PINHOLE 4 4 1 1 2 2\n2 PINHOLE 4 4 1 1 2 2\n3 PINHOLE 4 4 1 1 2 2\n',
    'images.txt': '1 1 0 0 0 9 9 9 1 a\n\n2 1 0 0 0 9 9 9 2 b\n\n3 1 0 0 0 9 9 9 3 c\n\n',
    'rigs.txt': `# rigs\n5 3 CAMERA 1 CAMERA 2 1 ${half} 0 0 ${half} 10 20 30 CAMERA 3 0\n`,
    'frames.txt': `8 5 ${half} ${half} 0 0 1 2 3 3 CAMERA 1 1 CAMERA 2 2 CAMERA 3 3\n`,
  }
  const model = await readColmapModel(memoryFolder(files), '')
  expect(model.layout).toBe('rigs')
  const matrix = (id: number) =>
    poseMatrix(model.images.get(id)?.pose ?? expect.fail()).map((value) => Math.round(value * 1e9) / 1e9 + 0)
  expect(matrix(1)).toEqual([1, 0, 0, 1, 0, 0, -1, 2, 0, 1, 0, 3])
  // A quarter turn about z after the frame's pose: rows x' = -y, y' = x.
  expect(matrix(2)).toEqual([0, 0, 1, 8, 1, 0, 0, 21, 0, 1, 0, 33])
  // The third sensor has no place in the rig: the pose of the images file.
  expect(matrix(3)).toEqual([1, 0, 0, 9, 0, 1, 0, 9, 0, 0, 1, 9])
})

const folder = fixture('fixtures/colmap')
describe.skipIf(!folder)('models that COLMAP wrote', () => {
  test.each([
    ['classic-7-cameras', 'classic', 7, 7, 699],
    ['rigs-frames-5-images', 'rigs', 1, 5, 2013],
    ['rigs-frames-unicode-names', 'rigs', 1, 2, 129],
  ])('%s', async (name, layout, cameraCount, imageCount, pointCount) => {
    const model = await readColmapModel(nodeFolder(`${folder}/${name}`), '')
    expect([model.layout, model.cameras.size, model.images.size, model.points3D?.count]).toEqual([
      layout,
      cameraCount,
      imageCount,
      pointCount,
    ])
    // Tracks and keypoints refer to each other.
    const { points3D } = model
    if (!points3D) return expect.fail()
    for (let i = 0; i < points3D.count; i++) {
      for (let k: number = points3D.trackStarts[i] ?? 0; k < (points3D.trackStarts[i + 1] ?? 0); k++) {
        const image = model.images.get(points3D.trackImageIds[k] ?? -1)
        if (image?.points2D?.pointIds[points3D.trackPoints2D[k] ?? -1] !== points3D.ids[i])
          expect.fail(`point ${i}, track ${k}`)
      }
    }
    // Projected points land on their keypoints, so poses and intrinsics are read right.
    expect(medianReprojectionError(model)).toBeLessThan(3)
    for (const format of ['binary', 'text'] as const) {
      const files = writeColmapModel(
        { cameras: model.cameras.values(), images: model.images.values(), points3D },
        format,
      )
      expect(same(await readColmapModel(memoryFolder(files), ''))).toEqual(same(model))
    }
  })

  test('names that are not ASCII', async () => {
    const model = await readColmapModel(nodeFolder(`${folder}/rigs-frames-unicode-names`), '', {
      points2D: false,
      points3D: false,
    })
    expect([...model.images.values()].map(({ name }) => name.normalize('NFC'))).toEqual([
      'Cópia de IMG_5143.png',
      'Cópia de IMG_5139.png',
    ])
  })
})

function medianReprojectionError({ cameras: all, images: views, points3D }: ColmapModel): number {
  const errors: number[] = []
  if (!points3D) return Number.NaN
  for (let i = 0; i < points3D.count; i++) {
    const [x = 0, y = 0, z = 0] = points3D.positions.subarray(i * 3, i * 3 + 3)
    for (let k: number = points3D.trackStarts[i] ?? 0; k < (points3D.trackStarts[i + 1] ?? 0); k++) {
      const image = views.get(points3D.trackImageIds[k] ?? -1) ?? expect.fail()
      const { params, model } = all.get(image.cameraId) ?? expect.fail()
      const m = poseMatrix(image.pose)
      const [u = 0, v = 0, w = 0] = [0, 4, 8].map(
        (row) => m[row]! * x + m[row + 1]! * y + m[row + 2]! * z + m[row + 3]!,
      )
      const single = model === 'SIMPLE_RADIAL'
      const [fx = 0, fy = 0, cx = 0, cy = 0] = single ? [params[0], params[0], params[1], params[2]] : params
      const [k1 = 0, k2 = 0] = single ? [params[3]] : params.slice(4)
      const r2 = (u * u + v * v) / (w * w)
      const radial = 1 + k1 * r2 + k2 * r2 * r2
      const at = (points3D.trackPoints2D[k] ?? 0) * 2
      const [px = 0, py = 0] = image.points2D?.xy.subarray(at, at + 2) ?? []
      errors.push(Math.hypot(((fx * u) / w) * radial + cx - px, ((fy * v) / w) * radial + cy - py))
    }
  }
  return errors.sort((a, b) => a - b)[errors.length >> 1] ?? Number.NaN
}

const one = concat(le(1, 8))
const goodCamera = concat(one, le(1, 4), le(1, 4), le(4, 8), le(4, 8), f64(1, 1, 2, 2))
const pose = f64(1, 0, 0, 0, 0, 0, 0)
const goodImage = concat(one, le(1, 4), pose, le(1, 4), text('a.png\0'), le(0, 8))
const binary = (files: Record<string, Uint8Array | string>) => ({
  'cameras.bin': goodCamera,
  'images.bin': goodImage,
  ...files,
})

test.each<[string, Record<string, Uint8Array | string>]>([
  ['nothing', {}],
  ['no images', { 'cameras.bin': goodCamera }],
  ['a huge number of cameras', binary({ 'cameras.bin': concat(le(2n ** 60n, 8), new Uint8Array(30)) })],
  ['a number past 2^63', binary({ 'cameras.bin': concat(le(2n ** 64n - 1n, 8), new Uint8Array(30)) })],
  ['an unknown model', binary({ 'cameras.bin': concat(one, le(1, 4), le(99, 4), le(4, 8), le(4, 8), f64(1, 1)) })],
  ['a model of -1', binary({ 'cameras.bin': concat(one, le(1, 4), le(-1, 4), le(4, 8), le(4, 8), f64(1, 1)) })],
  ['a camera cut short', binary({ 'cameras.bin': goodCamera.slice(0, -3) })],
  ['a width of 0', binary({ 'cameras.bin': concat(one, le(1, 4), le(1, 4), le(0, 8), le(4, 8), f64(1, 1, 2, 2)) })],
  [
    'a huge width',
    binary({ 'cameras.bin': concat(one, le(1, 4), le(1, 4), le(2n ** 40n, 8), le(4, 8), f64(1, 1, 2, 2)) }),
  ],
  [
    'a focal of NaN',
    binary({ 'cameras.bin': concat(one, le(1, 4), le(1, 4), le(4, 8), le(4, 8), f64(Number.NaN, 1, 2, 2)) }),
  ],
  [
    'a negative focal',
    binary({ 'cameras.bin': concat(one, le(1, 4), le(1, 4), le(4, 8), le(4, 8), f64(-1, 1, 2, 2)) }),
  ],
  ['bytes behind', binary({ 'cameras.bin': concat(goodCamera, [1]) })],
  ['an image of no camera', binary({ 'images.bin': concat(one, le(1, 4), pose, le(5, 4), text('a\0'), le(0, 8)) })],
  [
    'a quaternion of 0',
    binary({ 'images.bin': concat(one, le(1, 4), f64(0, 0, 0, 0, 0, 0, 0), le(1, 4), text('abcd\0'), le(0, 8)) }),
  ],
  [
    'an infinite place',
    binary({ 'images.bin': concat(one, le(1, 4), f64(1, 0, 0, 0, 1 / 0, 0, 0), le(1, 4), text('abcd\0'), le(0, 8)) }),
  ],
  [
    'a name without end',
    binary({ 'images.bin': concat(one, le(1, 4), pose, le(1, 4), new Uint8Array(9000).fill(65)) }),
  ],
  [
    'a name that is not UTF-8',
    binary({ 'images.bin': concat(one, le(1, 4), pose, le(1, 4), [0x43, 0xf3, 0], le(0, 8)) }),
  ],
  [
    'too many keypoints',
    binary({ 'images.bin': concat(one, le(1, 4), pose, le(1, 4), text('a\0'), le(2n ** 50n, 8)) }),
  ],
  ['an image twice', binary({ 'images.bin': concat(le(2, 8), goodImage.slice(8), goodImage.slice(8)) })],
  [
    'a huge track',
    binary({ 'points3D.bin': concat(one, le(1, 8), f64(0, 0, 0), [1, 2, 3], f64(0), le(2n ** 40n, 8)) }),
  ],
  ['frames without rigs', binary({ 'frames.bin': concat(le(0, 8)) })],
  ['an image in no frame', binary({ 'frames.bin': concat(le(0, 8)), 'rigs.bin': concat(le(0, 8)) })],
  [
    'a frame of no rig',
    binary({ 'frames.bin': concat(one, le(1, 4), le(1, 4), pose, le(0, 4)), 'rigs.bin': concat(le(0, 8)) }),
  ],
  [
    'a rig of 2^32 sensors',
    binary({ 'frames.bin': concat(le(0, 8)), 'rigs.bin': concat(one, le(1, 4), le(2 ** 32 - 1, 4)) }),
  ],
  ['text: an unknown model', { ...textModel, 'cameras.txt': '1 LENS 4 4 1\n' }],
  ['text: too few parameters', { ...textModel, 'cameras.txt': '1 PINHOLE 4 4 1 1 2\n' }],
  ['text: too many parameters', { ...textModel, 'cameras.txt': '1 SIMPLE_PINHOLE 4 4 1 1 2 3\n' }],
  ['text: a word for a number', { ...textModel, 'cameras.txt': '1 PINHOLE four 4 1 1 2 2\n' }],
  ['text: an image without name', { ...textModel, 'images.txt': '3 1 0 0 0 0 0 0 1\n\n' }],
  ['text: keypoints that are no triples', { ...textModel, 'images.txt': '3 1 0 0 0 0 0 0 1 a\n1 2 3 4\n' }],
  ['text: a colour of 256', { ...textModel, 'points3D.txt': '10 1 2 3 256 0 7 0\n' }],
  ['text: half a track', { ...textModel, 'points3D.txt': '10 1 2 3 25 0 7 0 3\n' }],
  ['text: not UTF-8', { ...textModel, 'cameras.txt': Uint8Array.of(0xff) }],
])('zoo: %s', async (_, files) => {
  expect(await failure(() => readColmapModel(memoryFolder(files, 'zoo'), ''))).toMatchSnapshot()
})

test('fuzz', async () => {
  const model = await readColmapModel(memoryFolder(textModel), '')
  const content = { cameras: model.cameras.values(), images: model.images.values(), points3D: model.points3D }
  const files: Record<string, Uint8Array> = writeColmapModel(
    { ...content, cameras: [...model.cameras.values()] },
    'binary',
  )
  const rigs = {
    'rigs.bin': concat(one, le(1, 4), le(1, 4), le(0, 4), le(1, 4)),
    'frames.bin': concat(
      le(1, 8),
      le(1, 4),
      le(1, 4),
      pose,
      le(2, 4),
      le(0, 4),
      le(1, 4),
      le(3, 8),
      le(0, 4),
      le(1, 4),
      le(4, 8),
    ),
  }
  const bases = [
    files,
    { ...files, ...rigs },
    Object.fromEntries(Object.entries(textModel).map(([name, file]) => [name, text(file)])),
  ]
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...bases),
      fc.nat(10),
      fc.nat(400),
      fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 5 }),
      async (base, which, length, changes) => {
        const names = Object.keys(base)
        const name = names[which % names.length] ?? ''
        const bytes = (base[name] ?? new Uint8Array(0)).slice(0, length < 300 ? undefined : length - 300)
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
        await survives(() => readColmapModel(memoryFolder({ ...base, [name]: bytes }), ''))
      },
    ),
    { numRuns: 500 },
  )
})
