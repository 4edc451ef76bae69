import { fileURLToPath } from 'node:url'
import {
  captureView,
  detectCapture,
  memoryFolder,
  openCapture,
  readColmapModel,
  viewsModel,
  writeColmapModel,
} from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { failure, survives } from './helpers.js'
import { courtRig, distorted, expectRig, frameImage, npy } from './rig.js'
import { sceneFiles } from './scene.js'

const rig = await courtRig(3)
const k = [-0.1, 0.02, 0.001, -0.002] as const

function model(folder: string, lens: readonly number[] = [], names = rig.map(({ name }) => `${name}.jpg`)) {
  const content = viewsModel(rig)
  const cameras = [...content.cameras].map((camera, i) => {
    const own = rig[i]
    return lens.length > 0 && own ? { ...camera, ...distorted(own, lens) } : camera
  })
  const images = [...content.images].map((image, i) => ({ ...image, name: names[i] ?? '' }))
  const files = Object.entries(writeColmapModel({ cameras, images }, 'binary'))
  return Object.fromEntries(files.map(([name, bytes]) => [`${folder}/${name}`, bytes]))
}

describe('COLMAP', () => {
  test("this project's own sample", async () => {
    const vfs = nodeFolder(fileURLToPath(new URL('../../../samples/court-mini', import.meta.url)))
    expect(await detectCapture(vfs)).toMatchObject({ kind: 'clip-stream', file: 'sparse/0', also: [] })
    const capture = await openCapture(vfs)
    expectRig({ ...capture, cameras: capture.cameras.slice(0, 3) }, rig)
    expect(capture.times).toHaveLength(20)
    expect(capture).toMatchObject({ fps: 30, masks: { meaning: 'moving', threshold: 128 } })
    expect(capture.cameras.filter(({ test }) => test).map(({ name }) => name)).toEqual(['view000', 'view008'])
    expect(capture.clouds.map(({ path, frames }) => [path, frames])).toEqual([
      ['plys/0.ply', [0, 10]],
      ['plys/1.ply', [10, 20]],
    ])
    expect((await capture.clouds[0]?.read())?.count).toBe(7500)
  })

  test('videos beside a model with its lenses', async () => {
    const names = ['view_0.mp4', 'view_1.mp4', 'view_2.mp4']
    const videos = Object.fromEntries(names.map((name) => [name, '']))
    const vfs = memoryFolder({ ...model('distorted/sparse/0', k), ...model('sparse/0'), ...videos })
    expect(await detectCapture(vfs)).toMatchObject({ kind: 'colmap-videos' })
    const capture = await openCapture(vfs)
    // Paired by number: the model's images are called view000, view001, view002.
    expectRig(
      capture,
      rig.map(({ view }, i) => ({ name: `view_${i}`, view })),
      k,
    )
    expect(capture.problems).toEqual([])
    const plain = await openCapture(memoryFolder({ ...model('frame000000/sparse'), ...videos }))
    expect(plain.problems.map(({ code }) => code)).toEqual(['assumed'])
  })

  test('one moment: each image is a camera', async () => {
    const names = ['a/1.jpg', 'a/2.jpg', 'b/1.jpg']
    const images = Object.fromEntries(names.map((name) => [`images/${name}`, frameImage]))
    const vfs = memoryFolder({ ...model('sparse/0', [], names), ...images })
    const capture = await openCapture(vfs)
    expect(capture.kind).toBe('colmap')
    expectRig(
      capture,
      rig.map(({ view }, i) => ({ name: ['a_1', 'a_2', 'b_1'][i] ?? '', view })),
    )
    const { [`images/b/1.jpg`]: _, ...fewer } = images
    const said = await failure(() => openCapture(memoryFolder({ ...model('sparse/0', [], names), ...fewer })))
    expect(said).toContain('1 of 3 images are not in images/: b/1.jpg')
  })

  test('what was read becomes a model again', async () => {
    const capture = await openCapture(
      memoryFolder({ ...model('distorted/sparse/0', k), 'view000.mp4': '', 'view001.mp4': '', 'view002.mp4': '' }),
    )
    const views = capture.cameras.map(({ name, calibration }) => ({
      name,
      view: captureView(calibration ?? expect.fail()),
    }))
    const written = writeColmapModel(viewsModel(views, 'png'), 'text')
    const files = Object.entries(written).map(([name, bytes]) => [`sparse/0/${name}`, bytes] as const)
    const read = await readColmapModel(memoryFolder(Object.fromEntries(files)), 'sparse/0')
    expect([...read.images.values()].map(({ name }) => name)).toEqual(['view000.png', 'view001.png', 'view002.png'])
    expect([...read.cameras.values()][1]?.model).toBe('PINHOLE')
  })

  test.each([
    ['classic-7-cameras', 7, 'SIMPLE_RADIAL', 699],
    ['rigs-frames-5-images', 5, 'SIMPLE_RADIAL', 2013],
    ['rigs-frames-unicode-names', 2, 'OPENCV', 129],
  ] as const)('real models: %s', async (folder, count, lens, points) => {
    const real = fixture(`fixtures/colmap/${folder}`)
    if (real === null) return
    const source = nodeFolder(real)
    const found = await readColmapModel(source, '', { points2D: false, points3D: false })
    const files: Record<string, Uint8Array> = {}
    for (const { name } of await source.list('')) files[`sparse/${name}`] = await source.read(name)
    for (const { name } of found.images.values()) files[`images/${name}`] = frameImage
    const capture = await openCapture(memoryFolder(files))
    expect(capture.kind).toBe('colmap')
    expect(capture.cameras).toHaveLength(count)
    expect(capture.cameras[0]?.calibration?.camera.model).toBe(lens)
    expect((await capture.clouds[0]?.read())?.count).toBe(points)
  })

  const basketball = fixture('datasets/panoptic-basketball')
  test.skipIf(basketball === null)('a real sequence in our own layout', async () => {
    const capture = await openCapture(nodeFolder(basketball ?? ''))
    expect(capture).toMatchObject({ kind: 'clip-stream', fps: 30, moving: false, masks: null })
    expect(capture.cameras).toHaveLength(31)
    expect(capture.times).toHaveLength(30)
    const test = capture.cameras.filter((camera) => camera.test).map(({ name }) => name)
    expect(test).toEqual(['cam00', 'cam10', 'cam15', 'cam30'])
  })
})

describe('without a calibration', () => {
  test('videos', async () => {
    const capture = await openCapture(memoryFolder({ 'a.mp4': '', 'b.mov': '', 'notes.txt': '' }))
    expect(capture).toMatchObject({ kind: 'videos', times: null })
    expect(capture.cameras.map(({ name, calibration }) => [name, calibration])).toEqual([
      ['a', null],
      ['b', null],
    ])
    expect(capture.problems.map(({ code }) => code)).toEqual(['uncalibrated'])
  })

  test('image folders and frame folders', async () => {
    const folders = ['c0', 'c1'].flatMap((c) => [0, 1].map((f) => [`${c}/${f}.png`, frameImage] as const))
    expect(await openCapture(memoryFolder(Object.fromEntries(folders)))).toMatchObject({
      kind: 'images',
      times: [0, 1],
    })
    const frames = [0, 1].flatMap((f) => ['c0', 'c1'].map((c) => [`frame00000${f}/${c}.png`, frameImage] as const))
    const capture = await openCapture(memoryFolder(Object.fromEntries(frames)))
    expect(capture.cameras.map(({ name }) => name)).toEqual(['c0', 'c1'])
  })
})

describe('detection', () => {
  test('nothing that is known', async () => {
    const vfs = memoryFolder({ 'inner/deep/readme.txt': '' }, 'folder')
    const { kind, reason } = await detectCapture(vfs)
    expect(kind).toBeNull()
    expect(reason).toMatchInlineSnapshot(
      `"folder has none of: sparse/0 with frame*/images; sparse/0 or distorted/sparse/0 with videos, frames or images/; train_meta.json (Panoptic Sports); transforms.json (nerfstudio); transforms_train.json (Blender, D-NeRF); dataset.json with camera/ (Nerfies, HyperNeRF); poses_bounds.npy (Neural 3D Video, Meet Room); intri.yml and extri.yml (EasyVolcap); *.qca.txt (Qualisys), Calib*.toml (Pose2Sim), also in calibration/; videos, in videos/ or not; an image folder a camera; its folders are inner: is it one of them?"`,
    )
    expect(await failure(() => openCapture(vfs))).toContain('UnknownCaptureError')
  })

  test('more than one layout: the first is read, the others are said, and may be asked for', async () => {
    const files = { ...(await sceneFiles()), 'poses_bounds.npy': npy([1, 17], Array(17).fill(1)) }
    expect(await detectCapture(memoryFolder(files))).toMatchObject({ kind: 'clip-stream', also: ['llff'] })
    const capture = await openCapture(memoryFolder(files))
    expect(capture.problems.map(({ message }) => message)).toEqual([
      'read as clip-stream (4 folders frame*/images and a model in sparse/0); files of llff are there, too',
    ])
    expect(await failure(() => openCapture(memoryFolder(files), { kind: 'llff' }))).toContain('poses_bounds.npy')
    expect(await failure(() => openCapture(memoryFolder(files), { kind: 'qualisys' }))).toContain('kind must be')
  })
})

describe('options', () => {
  const files = Object.fromEntries(['c0', 'c1', 'c2', 'c3'].map((name) => [`${name}.mp4`, '']))
  test.each([
    [{ every: 2 }, ['c0', 'c2']],
    [{ every: 3, from: 1 }, ['c1']],
    [{ names: ['c3', 1] }, ['c1', 'c3']],
    [{ names: [] }, []],
  ])('test cameras by %j', async (rule, names) => {
    const capture = await openCapture(memoryFolder(files), { test: rule })
    expect(capture.cameras.filter(({ test }) => test).map(({ name }) => name)).toEqual(names)
  })

  test.each([
    [{ test: { every: 0 } }, /test.every must be/],
    [{ test: { every: 2, from: -1 } }, /test.from must be/],
    [{ test: { names: ['c9'] } }, /there is no camera "c9"/],
    [{ test: { every: 1 } }, /all 4 cameras are test cameras/],
    [{ masks: 'a/b' }, /masks must be/],
    [{ background: [2, 0, 0] as const }, /background must be/],
  ])('refuses %j', async (options, message) => {
    expect(await failure(() => openCapture(memoryFolder(files), options))).toMatch(message)
  })

  test('a masks folder by name', async () => {
    const images = ['c0', 'c1'].flatMap((c) => [`images/${c}/0.jpg`, `matte/${c}/0.jpg.png`])
    const vfs = memoryFolder(Object.fromEntries(images.map((name) => [name, frameImage])))
    await expect(openCapture(vfs, { masks: 'mattes' })).rejects.toThrow(
      /there are no masks of its images in folders named mattes/,
    )
    const source = (await openCapture(vfs, { masks: 'matte' })).cameras[0]?.source
    expect(source?.kind === 'images' && source.images[0]?.mask).toBe('matte/c0/0.jpg.png')
    expect((await openCapture(vfs)).masks).toBeNull()
  })
})

describe('damaged JSON', () => {
  const any = fc.jsonValue({ maxDepth: 4 })
  test.each(['transforms.json', 'transforms_train.json', 'train_meta.json', 'dataset.json'])(
    '%s of any values',
    async (name) => {
      const shaped = fc.record(
        Object.fromEntries(
          ['frames', 'w', 'h', 'k', 'w2c', 'fn', 'cam_id', 'ids', 'train_ids', 'val_ids'].map((key) => [key, any]),
        ),
        { requiredKeys: [] },
      )
      const frame = fc.record(
        { file_path: fc.constant('a.png'), transform_matrix: any, fl_x: any, time: any },
        { requiredKeys: ['file_path'] },
      )
      const content = fc.oneof(any, shaped, fc.record({ frames: fc.array(frame), w: any, h: any }))
      await fc.assert(
        fc.asyncProperty(content, async (value) => {
          const files = {
            [name]: JSON.stringify(value),
            'a.png': frameImage,
            'metadata.json': '{}',
            'camera/a.json': '{}',
          }
          await survives(() => openCapture(memoryFolder(files)))
        }),
        { numRuns: 150 },
      )
    },
  )
})
