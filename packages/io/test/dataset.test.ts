import {
  DatasetError,
  type DatasetOptions,
  formatInspection,
  inspectDataset,
  memoryFolder,
  openDataset,
  readPointCloud,
  zipFolder,
} from '@clipgstream/io'
import { encodePng, nodeFolder } from '@clipgstream/io/node'
import fc from 'fast-check'
import { zipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { failure, survives, text } from './helpers.js'
import { picture, scene, sceneFiles } from './scene.js'

const two: DatasetOptions = { clipSize: 2, hold: 3 }

test.each(['binary', 'text'] as const)('%s model: cameras by name, frames, clips, split', async (format) => {
  const dataset = await openDataset(await scene({ format, cameras: 12 }), { clipSize: 2 })
  expect(dataset.cameras.map(({ name }) => name)).toEqual(Array.from({ length: 12 }, (_, i) => `cam${i}`))
  expect([dataset.testCameras, dataset.trainCameras]).toEqual([
    [0, 10],
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 11],
  ])
  expect(dataset.cameras[2]?.view).toEqual({
    width: 6,
    height: 5,
    fx: 10.75,
    fy: 11.5,
    cx: 3.25,
    cy: 2,
    worldToCamera: [1, 0, 0, 2, 0, 1, 0, 0, 0, 0, 1, 1],
  })
  expect(dataset.frames.map(({ folder }) => folder)).toEqual([
    'frame000000',
    'frame000001',
    'frame000002',
    'frame000003',
  ])
  expect(dataset.clips).toEqual([
    { index: 0, start: 0, end: 2, cloud: 'plys/0.ply', candidates: null },
    { index: 1, start: 2, end: 4, cloud: 'plys/1.ply', candidates: null },
  ])
  // Images are .png where the model says .jpg.
  expect(dataset.imagePath(11, 3)).toBe('frame000003/images/cam11.png')
  expect([dataset.imagePath(12, 0), dataset.imagePath(0, 4), dataset.maskPath(0, 0)]).toEqual([null, null, null])
})

test('a partial last clip, clips of one frame, one clip', async () => {
  const clips = async (clipSize: number, count: number) => {
    const { clips: list } = await openDataset(await scene({ frames: 5, clips: count }), { clipSize, hold: 3 })
    return list.map(({ index, start, end }) => `${index}: ${start}-${end}`)
  }
  expect(await clips(2, 3)).toEqual(['0: 0-2', '1: 2-4', '2: 4-5'])
  expect(await clips(1, 5)).toEqual(['0: 0-1', '1: 1-2', '2: 2-3', '3: 3-4', '4: 4-5'])
  expect(await clips(10, 1)).toEqual(['0: 0-5'])
})

test('a range of frames keeps the numbers of clips', async () => {
  const dataset = await openDataset(await scene({ frames: 6, clips: 3 }), { ...two, frames: [2, 5] })
  expect(dataset.clips.map(({ index, start, end }) => [index, start, end])).toEqual([
    [1, 2, 4],
    [2, 4, 5],
  ])
  expect([dataset.frames.length, dataset.imagePath(0, 1), dataset.imagePath(0, 2), dataset.imagePath(0, 5)]).toEqual([
    6,
    null,
    'frame000002/images/cam0.png',
    null,
  ])
  // What is wrong outside of the range does not matter.
  const files = await sceneFiles({ frames: 6, clips: 3 })
  delete files['frame000005/images/cam1.png']
  await openDataset(memoryFolder(files), { ...two, frames: [2, 5] })
  for (const frames of [
    [1, 3],
    [0, 7],
    [4, 2],
    [0, 1.5],
  ] as const) {
    const vfs = await scene({ frames: 6, clips: 3 })
    expect(await failure(() => openDataset(vfs, { ...two, frames }))).toMatch(/^OptionError: frames must be a range/)
  }
})

test('downsampling rounds sizes up and scales intrinsics by the sizes; the focal can be floored', async () => {
  const exact = (await openDataset(await scene(), { ...two, downsample: 4 })).cameras[0]?.view
  expect([exact?.width, exact?.height]).toEqual([2, 2])
  expect(exact?.fx).toBeCloseTo((10.75 * 2) / 6, 12)
  expect(exact?.fy).toBeCloseTo((11.5 * 2) / 5, 12)
  expect(exact?.cx).toBeCloseTo((3.25 * 2) / 6, 12)
  const floored = (await openDataset(await scene(), { ...two, downsample: 4, flooredFocal: true })).cameras[0]?.view
  expect([floored?.fx, floored?.fy]).toEqual([2, 2])
  const native = (await openDataset(await scene(), { ...two, flooredFocal: true })).cameras[0]?.view
  expect([native?.fx, native?.fy, native?.cx]).toEqual([10, 11, 3.25])
})

describe('split', () => {
  const split = async (options: DatasetOptions, meta?: object) => {
    const dataset = await openDataset(await scene({ cameras: 5, ...(meta ? { meta } : {}) }), {
      clipSize: 2,
      ...options,
    })
    return dataset.testCameras
  }
  test('options over meta.json over hold', async () => {
    expect(await split({ hold: 2 })).toEqual([0, 2, 4])
    expect(await split({}, { test_cameras: [1, 3] })).toEqual([1, 3])
    expect(await split({}, { testCameras: ['cam4', 'cam2.jpg'] })).toEqual([2, 4])
    expect(await split({}, { test_cameras: [0], camera_names: ['cam3', 'cam1'] })).toEqual([3])
    expect(await split({ testCameras: ['cam0', 4] }, { test_cameras: [1] })).toEqual([0, 4])
    expect(await split({ testCameras: [] }, { test_cameras: [1] })).toEqual([])
  })
  test('cameras that are not there, no training camera', async () => {
    expect(await failure(() => split({ testCameras: ['cam9'] }))).toMatchInlineSnapshot(`
      "DatasetError: scene cannot be used:
        test cameras: there is no camera "cam9"; cameras are "cam0, cam1, cam2, cam3, cam4""
    `)
    expect(await failure(() => split({}, { test_cameras: [7] }))).toMatch(
      /meta.json test cameras: there is no camera 7/,
    )
    expect(await failure(() => split({ hold: 1 }))).toMatch(/all 5 cameras are test cameras/)
  })
})

test('meta.json: clip size and rate; absent is fine, broken is an error', async () => {
  const dataset = await openDataset(await scene({ meta: { clip_size: 2, fps: 25, more: {} } }), { hold: 3 })
  expect([dataset.clipSize, dataset.fps]).toEqual([2, 25])
  expect((await openDataset(await scene({ meta: { clipSize: 1, fps: 25 }, clips: 4 }), { hold: 3 })).clips.length).toBe(
    4,
  )
  for (const bad of [
    { clip_size: 0 },
    { clip_size: '2' },
    { fps: -1 },
    { test_cameras: 'cam0' },
    { test_cameras: [0.5] },
    [1],
  ]) {
    const vfs = await scene({ meta: bad })
    expect(await failure(() => openDataset(vfs, two))).toMatch(/meta.json: /)
  }
  const files = { ...(await sceneFiles()), 'meta.json': '{' }
  expect(await failure(() => openDataset(memoryFolder(files), two))).toMatch(
    /meta.json: not JSON .*repair or remove it/,
  )
})

type Files = Record<string, Uint8Array | string>
const problems: [string, (files: Files) => Promise<void> | void, string, string][] = [
  ['missing image', (f) => void delete f['frame000001/images/cam1.png'], 'missing-image', 'error'],
  [
    'camera without images',
    (f) =>
      Object.keys(f)
        .filter((p) => p.includes('cam1.'))
        .forEach((p) => void delete f[p]),
    'missing-image',
    'error',
  ],
  ['extra image', async (f) => put(f, 'frame000001/images/cam7.png', await picture(6, 5, 0)), 'extra-image', 'warning'],
  ['two images of a camera', (f) => put(f, 'frame000001/images/cam1.jpg', ''), 'ambiguous-image', 'error'],
  ['wrong size', async (f) => put(f, 'frame000000/images/cam1.png', await picture(7, 5, 0)), 'wrong-size', 'error'],
  ['not an image', (f) => put(f, 'frame000000/images/cam1.png', 'text'), 'unreadable-image', 'error'],
  ['missing cloud', (f) => void delete f['plys/1.ply'], 'missing-cloud', 'error'],
  ['extra clouds', (f) => put(f, 'plys/2.ply', f['plys/1.ply'] ?? ''), 'extra-cloud', 'warning'],
  [
    'frames that jump',
    (f) => {
      for (const p of Object.keys(f)) {
        if (!p.startsWith('frame000003')) continue
        f[p.replace('3', '9')] = f[p] ?? ''
        delete f[p]
      }
    },
    'frame-numbers',
    'warning',
  ],
  [
    'no model',
    (f) =>
      Object.keys(f)
        .filter((p) => p.startsWith('sparse'))
        .forEach((p) => void delete f[p]),
    'no-model',
    'error',
  ],
  ['broken model', (f) => put(f, 'sparse/0/cameras.bin', 'x'), 'bad-model', 'error'],
  [
    'no frames',
    (f) =>
      Object.keys(f)
        .filter((p) => p.startsWith('frame'))
        .forEach((p) => void delete f[p]),
    'no-frames',
    'error',
  ],
  [
    'lens distortion',
    (f) => setText(f, 'cameras.txt', '1 OPENCV 6 5 9 9 3 2 0.1 0 0 0\n2 PINHOLE 6 5 9 9 3 2\n3 PINHOLE 6 5 9 9 3 2\n'),
    'unsupported-camera',
    'error',
  ],
  [
    'two images of one name',
    (f) => setText(f, 'images.txt', '1 1 0 0 0 0 0 0 1 a/cam0.jpg\n\n2 1 0 0 0 0 0 0 1 b/cam0.png\n\n'),
    'ambiguous-camera',
    'error',
  ],
  [
    'a name that leaves the folder',
    (f) => setText(f, 'images.txt', '1 1 0 0 0 0 0 0 1 ../../etc/cam0.jpg\n\n'),
    'bad-name',
    'error',
  ],
  ['an absolute name', (f) => setText(f, 'images.txt', '1 1 0 0 0 0 0 0 1 /etc/cam0.jpg\n\n'), 'bad-name', 'error'],
]

function put(files: Files, path: string, content: Uint8Array | string): void {
  files[path] = content
}

function setText(files: Files, name: string, content: string): void {
  for (const path of Object.keys(files)) if (/^sparse.*bin$/.test(path)) delete files[path]
  files['sparse/0/cameras.txt'] ??= '1 PINHOLE 6 5 9 9 3 2\n'
  files['sparse/0/images.txt'] ??= [0, 1, 2].map((i) => `${i + 1} 1 0 0 0 0 0 0 ${i + 1} cam${i}.jpg\n\n`).join('')
  files[`sparse/0/${name}`] = content
}

test.each(problems)('problem: %s', async (_, change, code, severity) => {
  const files = await sceneFiles()
  await change(files)
  const report = await inspectDataset(memoryFolder(files, 'scene'), two)
  const problem = report.problems.find((candidate) => candidate.code === code)
  expect(problem?.severity).toBe(severity)
  expect(problem?.message).toMatchSnapshot()
  expect(report.usable).toBe(severity !== 'error')
  const opened = openDataset(memoryFolder(files, 'scene'), two)
  if (severity === 'error') await expect(opened).rejects.toBeInstanceOf(DatasetError)
  else await opened
})

test('gaps can be allowed', async () => {
  const files = await sceneFiles()
  delete files['frame000001/images/cam1.png']
  delete files['plys/1.ply']
  const dataset = await openDataset(memoryFolder(files), { ...two, allowGaps: true })
  expect([dataset.imagePath(1, 1), dataset.clips[1]?.cloud]).toEqual([null, null])
  const lines = async (allowGaps: boolean) =>
    formatInspection(await inspectDataset(memoryFolder(files), { ...two, allowGaps })).split('\n')
  expect((await lines(true)).filter((line) => /^(gap|error|result)/.test(line))).toEqual([
    expect.stringMatching(/^gap {9}plys\/1.ply is missing/),
    expect.stringMatching(/^gap {9}camera cam1 lacks an image in frame000001/),
    'result      can be used with --allow-gaps',
  ])
  expect((await lines(false)).at(-1)).toBe(
    'result      cannot be used until the errors are fixed; --allow-gaps goes on without what is missing',
  )
  delete files['plys/0.ply']
  expect(await failure(() => openDataset(memoryFolder(files), { ...two, allowGaps: true }))).toMatch(
    /plys\/0.ply is missing/,
  )
})

test('the error lists what is wrong', async () => {
  const files = await sceneFiles()
  for (const path of Object.keys(files)) if (path.endsWith('cam1.png') || path.startsWith('plys/1')) delete files[path]
  expect(await failure(() => openDataset(memoryFolder(files, 'scene'), two))).toMatchInlineSnapshot(`
    "DatasetError: scene cannot be used:
      plys/1.ply is missing: the new points of clip 1 (an empty cloud if there are none)
      camera cam1 lacks an image in all 4 frames; add it, or take the camera out of the model
      --allow-gaps goes on without what is missing"
  `)
})

test('a zip that is packed one folder deeper says so', async () => {
  const packed = Object.entries(await sceneFiles()).map(([path, file]) => [
    `court/${path}`,
    typeof file === 'string' ? text(file) : file,
  ])
  const vfs = await zipFolder(zipSync(Object.fromEntries(packed)))
  expect(await failure(() => openDataset(vfs, two))).toMatch(/court\/sparse\/0 is there: open the folder court/)
})

test('options out of range', async () => {
  const vfs = await scene()
  for (const options of [
    { clipSize: 0 },
    { clipSize: 1.5 },
    { hold: 0 },
    { downsample: 0.5 },
    { downsample: Number.NaN },
  ]) {
    expect(await failure(() => openDataset(vfs, options))).toMatch(/^OptionError/)
  }
})

test('inspection: names, clips, points, memory', async () => {
  const files = await sceneFiles({ frames: 3, masks: true, meta: { fps: 30 } })
  delete files['frame000002/masks/cam0.png']
  const report = await inspectDataset(memoryFolder(files, 'scene'), { ...two, downsample: 2 })
  expect(report.memory).toEqual({ images: 3 * 3 * 27, clipImages: 2 * 3 * 27, points: 48 })
  expect(formatInspection(report)).toMatchInlineSnapshot(`
    "dataset     scene
    cameras     3 PINHOLE
    split       2 train, 1 test (cam0)
    resolution  6x5, used at 3x3 (3 cameras)
    frames      3 (frame000000 to frame000002), 30 a second
    images      9 of 9, 8 masks
    clips       2 of 2 frames
                0  frames 0 to 1  2 points  plys/0.ply
                1  frames 2 to 2  2 points  plys/1.ply
    memory      0.2 KiB of images (0.2 KiB a clip), 0.0 KiB of points
    warning     1 of 9 views have no mask; they are left out where masks are used
    note        3 cameras have focal lengths with a fraction (cam0: 10.75); they are kept, where the original rounds down
    note        the last clip (1) has 1 of 2 frames
    result      can be used"
  `)
  const empty = await inspectDataset(memoryFolder({}, 'nothing'))
  expect(formatInspection(empty)).toMatchInlineSnapshot(`
    "dataset     nothing
    cameras     0
    split       0 train, 0 test
    frames      0
    images      0 of 0
    clips       0 of 10 frames
    memory      0.0 KiB of images (0.0 KiB a clip), 0.0 KiB of points
    error       nothing has no sparse/0/cameras.bin (or .txt); a dataset has its COLMAP model in sparse/0
    error       no folders frame000000, frame000001, ... with images/ in them
    result      cannot be used until the errors are fixed"
  `)
})

test('fuzz: no file can make inspection fail', async () => {
  const base = await sceneFiles({ meta: { fps: 30, test_cameras: [0] }, masks: true, cameras: 2, frames: 2, clips: 1 })
  const names = Object.keys(base)
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...names),
      fc.uint8Array({ maxLength: 40 }),
      fc.nat(200),
      fc.boolean(),
      async (name, noise, at, cut) => {
        const bytes = Uint8Array.from(typeof base[name] === 'string' ? text(base[name]) : (base[name] ?? []))
        bytes.set(noise.subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length))
        const files = { ...base, [name]: cut ? bytes.slice(0, at) : bytes }
        await survives(() => inspectDataset(memoryFolder(files)))
        await survives(() => openDataset(memoryFolder(files)))
      },
    ),
    { numRuns: 150 },
  )
})

const court = fixture('datasets/court-mini')
const basketball = fixture('datasets/panoptic-basketball')
describe.skipIf(!court || !basketball)('real datasets', () => {
  test('court-mini', async () => {
    const dataset = await openDataset(nodeFolder(court ?? ''))
    expect([dataset.cameras.length, dataset.frames.length, dataset.testCameras]).toEqual([12, 20, [0, 8]])
    const clouds = await Promise.all(
      dataset.clips.map(async ({ cloud }) => readPointCloud(await dataset.vfs.read(cloud ?? '')).count),
    )
    expect(clouds).toEqual([7500, 1746])
    expect((await inspectDataset(nodeFolder(court ?? ''))).problems.map(({ code }) => code)).toEqual([
      'fractional-focal',
    ])
  })

  test('panoptic-basketball', async () => {
    const dataset = await openDataset(nodeFolder(basketball ?? ''), { downsample: 4 })
    expect([dataset.cameras.length, dataset.clips.length, dataset.testCameras]).toEqual([31, 3, [0, 10, 15, 30]])
    expect(dataset.cameras[3]?.view.cx).toBeCloseTo(79.2259, 3)
  })
})

test('an unreadable cloud is a problem', async () => {
  const files = await sceneFiles()
  files['plys/1.ply'] = 'no ply'
  const report = await inspectDataset(memoryFolder(files, 'scene'), two)
  expect(report.problems.find(({ code }) => code === 'bad-cloud')?.message).toMatchInlineSnapshot(
    `"plys/1.ply: header line 1: expected 'ply', got no end of line"`,
  )
  files['frame000002/images/cam2.png'] = await encodePng({ width: 1, height: 1, data: new Uint8Array(3) })
  expect((await inspectDataset(memoryFolder(files, 'scene'), two)).problems.map(({ code }) => code)).toContain(
    'wrong-size',
  )
})
