import { cameraToWorldFrom } from '@clipgstream/camera'
import { detectCapture, memoryFolder, openCapture } from '@clipgstream/io'
import { describe, expect, test } from 'vitest'
import { failure } from './helpers.js'
import { courtPoints, courtRig, expectRig, expectSameProjections, frameImage, type RigCamera, toCamera } from './rig.js'

const rig = await courtRig(4)

function matrix({ view }: RigCamera): number[][] {
  const m = cameraToWorldFrom(view.worldToCamera, 'opengl')
  return [m.slice(0, 4), m.slice(4, 8), m.slice(8, 12), [0, 0, 0, 1]]
}

function intrinsics({ view: { width, height, fx, fy, cx, cy } }: RigCamera) {
  return { w: width, h: height, fl_x: fx, fl_y: fy, cx, cy }
}

function folder(files: Record<string, object>, images: readonly string[]) {
  const json = Object.entries(files).map(([name, content]) => [name, JSON.stringify(content)] as const)
  return memoryFolder({ ...Object.fromEntries(json), ...Object.fromEntries(images.map((name) => [name, frameImage])) })
}

describe('nerfstudio', () => {
  const k = [-0.12, 0.03, 0.002, -0.001] as const
  const [k1, k2, p1, p2] = k
  const frames = [0, 1, 2].flatMap((f) =>
    rig.map((camera) => ({
      file_path: `images/${camera.name}/000${f}.png`,
      time: f / 2,
      transform_matrix: matrix(camera),
      ...intrinsics(camera),
      ...{ k1, k2, p1, p2 },
    })),
  )
  const paths = frames.map(({ file_path }) => file_path)

  test('a rig with a time a frame, a lens a camera, and a split by files', async () => {
    const test_filenames = paths.filter((path) => path.includes('view002'))
    const vfs = folder({ 'transforms.json': { camera_model: 'OPENCV', fps: 30, test_filenames, frames } }, paths)
    expect((await detectCapture(vfs)).kind).toBe('nerfstudio')
    const capture = await openCapture(vfs)
    expectRig(capture, rig, k)
    expect(capture).toMatchObject({ times: [0, 0.5, 1], fps: 30, moving: false })
    expect(capture.cameras.filter(({ test }) => test).map(({ name }) => name)).toEqual(['view002'])
    const [first] = capture.cameras
    expect(first?.source.kind === 'images' && first.source.images.map(({ path }) => path)).toEqual([
      'images/view000/0000.png',
      'images/view000/0001.png',
      'images/view000/0002.png',
    ])
  })

  test('a fisheye lens', async () => {
    const lens = { camera_model: 'OPENCV_FISHEYE', k1: 0.05, k2: -0.01, k3: 0.002, k4: 0 }
    const one = rig.slice(0, 2).map((camera) => ({
      file_path: `${camera.name}.png`,
      transform_matrix: matrix(camera),
      ...intrinsics(camera),
    }))
    const capture = await openCapture(
      folder({ 'transforms.json': { ...lens, frames: one } }, ['view000.png', 'view001.png']),
    )
    const { camera, worldToCamera } = capture.cameras[0]?.calibration ?? expect.fail('no calibration')
    expect(camera.model).toBe('OPENCV_FISHEYE')
    // theta_d = theta (1 + k1 theta^2 + ...), as OpenCV's documentation has it.
    const [x, y, z] = toCamera(worldToCamera, courtPoints[1] ?? [0, 0, 0])
    const r = Math.hypot(x, y)
    const theta = Math.atan2(r, z)
    const bent = theta * (1 + 0.05 * theta ** 2 - 0.01 * theta ** 4 + 0.002 * theta ** 6)
    const view = rig[0]?.view ?? expect.fail('no view')
    const { createLens } = await import('@clipgstream/camera')
    const pixel = createLens(camera).project([x, y, z]) ?? []
    expect(pixel[0]).toBeCloseTo(view.fx * (x / r) * bent + view.cx, 6)
    expect(pixel[1]).toBeCloseTo(view.fy * (y / r) * bent + view.cy, 6)
  })

  test('a third radial number, masks, a cloud, and Windows paths', async () => {
    const own = rig.slice(0, 2).map((camera) => ({
      file_path: `.\\images\\${camera.name}.png`,
      mask_path: `masks/${camera.name}.png`,
      transform_matrix: matrix(camera).slice(0, 3),
      ...intrinsics(camera),
      ...{ k1: -0.1, k3: 0.02 },
    }))
    const images = ['view000', 'view001'].flatMap((name) => [`images/${name}.png`, `masks/${name}.png`])
    const capture = await openCapture(folder({ 'transforms.json': { ply_file_path: 'gone.ply', frames: own } }, images))
    expectRig(capture, rig.slice(0, 2), [-0.1, 0, 0, 0, 0.02])
    expect(capture.masks).toEqual({ meaning: 'valid', threshold: 128 })
    expect(capture.problems.map(({ code }) => code)).toEqual(['missing-cloud'])
  })

  test('OpenCV pixel centres on request', async () => {
    const vfs = folder({ 'transforms.json': { frames: frames.slice(0, 4) } }, paths)
    const capture = await openCapture(vfs, { pixelCentres: 'integer' })
    expect(capture.cameras[0]?.calibration?.camera.params.slice(2, 4)).toEqual([80.5, 45.5])
  })

  const frame = { ...frames[0], file_path: 'a.png' }
  test.each<[string, object | string]>([
    ['no frames', {}],
    ['empty frames', { frames: [] }],
    ['a list at the top', []],
    ['frames of another type', { frames: 'all' }],
    ['a matrix of another size', { frames: [{ ...frame, transform_matrix: [[1, 0, 0]] }] }],
    [
      'a mirroring matrix',
      { frames: [{ ...frame, transform_matrix: matrix(rig[0]!).map(([a, ...r]) => [-a!, ...r]) }] },
    ],
    ['a focal length of 0', { frames: [{ ...frame, fl_x: 0 }] }],
    ['a focal length as text', { frames: [{ ...frame, fl_x: '120' }] }],
    ['a path that leaves the folder', { frames: [{ ...frame, file_path: '../a.png' }] }],
    ['a camera model that is unknown', { camera_model: 'EQUIRECTANGULAR', frames: [frame] }],
    ['a fourth radial number', { k4: 0.1, frames: [frame] }],
    ['half a pixel of width', { frames: [{ ...frame, w: 160.5 }] }],
    ['a camera angle in degrees', { frames: [{ ...frame, fl_x: undefined, fl_y: undefined, camera_angle_x: 50 }] }],
    ['an image that is not there', { frames: [{ ...frame, file_path: 'b.png' }] }],
  ])('refuses %s', async (_, content) => {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    const said = await failure(() => openCapture(memoryFolder({ 'transforms.json': text, 'a.png': frameImage })))
    expect(said).toMatchSnapshot()
  })
})

test('refuses text that is no JSON, with the reason', async () => {
  const said = await failure(() => openCapture(memoryFolder({ 'transforms.json': '{"frames": [NaN]}' })))
  expect(said).toMatch(/^FormatError: transforms.json: text: expected JSON, got .*N/)
})

describe('Blender', () => {
  const angle = 2 * Math.atan(80 / 128)
  const list = (split: string, count: number, timed: boolean) => ({
    camera_angle_x: angle,
    frames: Array.from({ length: count }, (_, i) => ({
      file_path: `./${split}/r_${i}`,
      rotation: 0.1,
      ...(timed && { time: i / Math.max(1, count - 1) }),
      transform_matrix: matrix(rig[i % rig.length]!).map((row, r) => row.map((v, c) => (c === 3 && r < 2 ? v + i : v))),
    })),
  })
  const paths = ['train', 'val', 'test'].flatMap((split) => [0, 1, 2, 3, 4].map((i) => `${split}/r_${i}.png`))

  test('D-NeRF: a camera that moves, with time', async () => {
    const vfs = folder(
      {
        'transforms_train.json': list('train', 5, true),
        'transforms_val.json': list('val', 2, true),
        'transforms_test.json': list('test', 3, true),
      },
      paths,
    )
    expect((await detectCapture(vfs)).kind).toBe('blender')
    const capture = await openCapture(vfs, { background: [0, 0, 0] })
    expect(capture).toMatchObject({ moving: true, times: [0, 0.25, 0.5, 0.75, 1], background: [0, 0, 0] })
    expect(capture.cameras.map(({ name, test }) => [name, test])).toEqual([
      ['test', true],
      ['train', false],
    ])
    const train = capture.cameras[1]?.source
    const images = train?.kind === 'images' ? train.images : []
    expect(images.map(({ frame, path }) => [frame, path])).toEqual([0, 1, 2, 3, 4].map((i) => [i, `train/r_${i}.png`]))
    const view = { ...rig[0]!.view, fx: 128, fy: 128 }
    expectSameProjections(images[0]?.calibration ?? null, view)
    expect(capture.problems.map(({ code }) => code)).toEqual(['left-out'])
  })

  test('D-NeRF as shots: each image is a camera that stands still', async () => {
    const lists = { 'transforms_train.json': list('train', 5, true), 'transforms_test.json': list('test', 3, true) }
    const capture = await openCapture(folder(lists, paths), { shots: true })
    expect(capture).toMatchObject({ moving: true, times: [0, 0.25, 0.5, 0.75, 1] })
    expect(capture.cameras.map(({ name, test, source }) => [name, test, source])).toEqual(
      [
        ...[0, 1, 2].map((i) => ['test', 2 * i, i] as const),
        ...[0, 1, 2, 3, 4].map((i) => ['train', i, i] as const),
      ].map(([split, frame, i]) => [
        `${split}_000${frame}`,
        split === 'test',
        { kind: 'images', images: [{ frame, path: `${split}/r_${i}.png`, mask: null, calibration: null }] },
      ]),
    )
    const whole = await openCapture(folder(lists, paths))
    const images = whole.cameras.flatMap(({ source }) => (source.kind === 'images' ? source.images : []))
    expect(capture.cameras.map(({ calibration }) => calibration)).toEqual(images.map(({ calibration }) => calibration))
    // A rule counts shots.
    const every = await openCapture(folder(lists, paths), { shots: true, test: { every: 4 } })
    expect(every.cameras.flatMap(({ name, test }) => (test ? [name] : []))).toEqual(['test_0000', 'train_0001'])
  })

  test('without time: each image is a camera', async () => {
    const vfs = folder({ 'transforms_train.json': list('train', 4, false) }, paths)
    const capture = await openCapture(vfs)
    expect(capture).toMatchObject({ moving: false, times: [0], background: [1, 1, 1] })
    expect(capture.cameras.map(({ name }) => name)).toEqual(['r_0', 'r_1', 'r_2', 'r_3'])
  })
})
