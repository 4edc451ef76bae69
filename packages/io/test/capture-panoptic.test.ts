import { detectCapture, memoryFolder, openCapture, openDataset } from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import { zipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { failure } from './helpers.js'
import { courtRig, expectRig, frameImage, npy, type RigCamera } from './rig.js'

const rig = (await courtRig(3)).map(({ view }, i) => ({ name: `cam${String(i * 5).padStart(2, '0')}`, view }))

function meta(cameras: readonly RigCamera[], frames: number) {
  const rows = <T>(cell: (camera: RigCamera, frame: number) => T) =>
    Array.from({ length: frames }, (_, f) => cameras.map((camera) => cell(camera, f)))
  const [first] = cameras
  return {
    w: first?.view.width,
    h: first?.view.height,
    k: rows(({ view: { fx, fy, cx, cy } }) => [
      [fx, 0, cx],
      [0, fy, cy],
      [0, 0, 1],
    ]),
    w2c: rows(({ view: { worldToCamera: m } }) => [m.slice(0, 4), m.slice(4, 8), m.slice(8, 12), [0, 0, 0, 1]]),
    fn: rows(({ name }, f) => `${Number(name.slice(3))}/00000${f}.png`),
    cam_id: rows(({ name }) => Number(name.slice(3))),
  }
}

function files(frames = 2): Record<string, string | Uint8Array> {
  const images = rig.flatMap(({ name }) =>
    Array.from({ length: frames }, (_, f) => {
      const id = Number(name.slice(3))
      return [
        [`ims/${id}/00000${f}.png`, frameImage],
        [`seg/${id}/00000${f}.png`, frameImage],
      ] as const
    }).flat(),
  )
  return {
    'train_meta.json': JSON.stringify(meta(rig.slice(1), frames)),
    'test_meta.json': JSON.stringify(meta(rig.slice(0, 1), frames)),
    'init_pt_cld.npz': zipSync({ 'data.npy': npy([2, 7], [1, 2, 3, 0, 0.5, 1, 1, -1, -2, -3, 1, 1, 1, 0]) }),
    ...Object.fromEntries(images),
  }
}

describe('train_meta.json', () => {
  test('cameras, masks, the cloud, the split', async () => {
    const vfs = memoryFolder(files())
    expect(await detectCapture(vfs)).toMatchObject({ kind: 'panoptic', file: 'train_meta.json', also: [] })
    const capture = await openCapture(vfs)
    expectRig(capture, rig)
    expect(capture.cameras.map(({ test }) => test)).toEqual([true, false, false])
    expect(capture).toMatchObject({ times: [0, 1], moving: false, masks: { meaning: 'moving', threshold: 1 } })
    const [cloud] = capture.clouds
    expect(cloud?.frames).toEqual([0, 1])
    expect(await cloud?.read()).toEqual({
      count: 2,
      positions: Float32Array.of(1, 2, 3, -1, -2, -3),
      colors: Uint8Array.of(0, 128, 255, 255, 255, 255),
    })
    const source = capture.cameras[2]?.source
    expect(source?.kind === 'images' && source.images[1]).toEqual({
      frame: 1,
      path: 'ims/10/000001.png',
      mask: 'seg/10/000001.png',
      calibration: null,
    })
  })

  test('missing images are a gap', async () => {
    const { 'ims/5/000001.png': _, ...fewer } = files()
    expect(await failure(() => openCapture(memoryFolder(fewer)))).toContain('1 images are not there: ims/5/000001.png')
    const capture = await openCapture(memoryFolder(fewer), { allowGaps: true })
    expect(capture.cameras).toHaveLength(3)
  })

  test.each<[string, object]>([
    ['lists of different lengths', { k: [] }],
    ['a skew', { k: meta(rig.slice(1), 2).k.map((row) => row.map((m) => [[m[0]?.[0], 2, 80], ...m.slice(1)])) }],
    ['no sizes', { w: null }],
    [
      'camera ids that are names',
      {
        cam_id: [
          ['a', 'b'],
          ['a', 'b'],
        ],
      },
    ],
    ['fewer ids than files', { cam_id: [[5], [5, 10]] }],
    [
      'a path out of the folder',
      {
        fn: [
          ['../../x.png', 'b'],
          ['a', 'b'],
        ],
      },
    ],
  ])('refuses %s', async (_, change) => {
    const json = JSON.stringify({ ...meta(rig.slice(1), 2), ...change })
    expect(await failure(() => openCapture(memoryFolder({ ...files(), 'train_meta.json': json })))).toMatchSnapshot()
  })

  test('refuses a cloud of another shape', async () => {
    const vfs = memoryFolder({ ...files(), 'init_pt_cld.npz': zipSync({ 'data.npy': npy([3], [1, 2, 3]) }) })
    const capture = await openCapture(vfs)
    expect(await failure(() => capture.clouds[0]?.read())).toMatchInlineSnapshot(
      `"FormatError: init_pt_cld.npz: data: expected floating numbers [N, 7]: position, colour, moving, got F64 [3]"`,
    )
  })
})

const real = fixture('datasets/panoptic-basketball')
test.skipIf(real === null)(
  'the real cameras, off centre, written as the original writes them and read back',
  async () => {
    const dataset = await openDataset(nodeFolder(real ?? ''), { frames: [0, 10] })
    const cameras = dataset.cameras.map(({ name, view }) => ({ name, view }))
    const images = cameras.map(({ name }) => [`ims/${Number(name.slice(3))}/000000.png`, frameImage] as const)
    const vfs = memoryFolder({ 'train_meta.json': JSON.stringify(meta(cameras, 1)), ...Object.fromEntries(images) })
    const capture = await openCapture(vfs, { test: { names: ['cam00', 'cam10', 'cam15', 'cam30'] } })
    expectRig(capture, cameras)
    expect(capture.cameras.filter(({ test }) => test)).toHaveLength(4)
  },
)
