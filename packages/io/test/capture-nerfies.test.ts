import { cameraCentre, rotationOf } from '@clipgstream/camera'
import { detectCapture, memoryFolder, openCapture } from '@clipgstream/io'
import { describe, expect, test } from 'vitest'
import { failure } from './helpers.js'
import { courtRig, expectSameProjections, frameImage, npy } from './rig.js'
import { picture } from './scene.js'

const [left, right] = await courtRig(2)
const k = [-0.1, 0.02, 0.001, -0.002, 0.005] as const
const [k1, k2, p1, p2, k3] = k
const ids = [0, 1, 2, 3].flatMap((f) => [`left1_00000${f}`, `right1_00000${f}`])

function cameraFile(id: string, change: object = {}): string {
  const { view } = (id.startsWith('left') ? left : right) ?? expect.fail('no rig')
  return JSON.stringify({
    orientation: rotationOf(view),
    position: cameraCentre(view),
    focal_length: view.fx,
    principal_point: [view.cx, view.cy],
    skew: 0,
    pixel_aspect_ratio: view.fy / view.fx,
    radial_distortion: [k1, k2, k3],
    tangential: [p1, p2],
    image_size: [view.width, view.height],
    ...change,
  })
}

function files(scale = '1x', image = frameImage): Record<string, string | Uint8Array> {
  const metadata = ids.map((id) => [id, { warp_id: 10 + Number(id.at(-1)), camera_id: id.startsWith('left') ? 0 : 1 }])
  return {
    'dataset.json': JSON.stringify({
      count: ids.length,
      ids,
      train_ids: ids.filter((id) => id.startsWith('left')),
      val_ids: ids.filter((id) => id.startsWith('right')),
    }),
    'metadata.json': JSON.stringify(Object.fromEntries(metadata)),
    'scene.json': JSON.stringify({ scale: 0.04, center: [0.5, 1, 2], near: 0.1, far: 2.5 }),
    'points.npy': npy([2, 3], [1, 2, 3, 4, 5, 6]),
    ...Object.fromEntries(ids.map((id) => [`camera/${id}.json`, cameraFile(id)])),
    ...Object.fromEntries(ids.map((id) => [`rgb/${scale}/${id}.png`, image])),
  }
}

describe('Nerfies and HyperNeRF', () => {
  test('a rig that stands still: two cameras, one for testing', async () => {
    const vfs = memoryFolder(files())
    expect((await detectCapture(vfs)).kind).toBe('nerfies')
    const capture = await openCapture(vfs)
    expect(capture).toMatchObject({ moving: false, times: [10, 11, 12, 13] })
    expect(capture.cameras.map(({ name, test }) => [name, test])).toEqual([
      ['cam0', false],
      ['cam1', true],
    ])
    expectSameProjections(capture.cameras[0]?.calibration ?? null, left?.view ?? expect.fail(), k)
    expectSameProjections(capture.cameras[1]?.calibration ?? null, right?.view ?? expect.fail(), k)
    expect(capture.scene).toEqual({ near: 0.1, far: 2.5, center: [0.5, 1, 2], scale: 0.04 })
    expect((await capture.clouds[0]?.read())?.positions).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6))
  })

  test('images of half the size scale the lens', async () => {
    const capture = await openCapture(memoryFolder(files('2x', await picture(80, 45, 3))))
    const { view } = left ?? expect.fail()
    const half = { ...view, width: 80, height: 45, fx: view.fx / 2, fy: view.fy / 2, cx: 40, cy: 22.5 }
    expectSameProjections(capture.cameras[0]?.calibration ?? null, half, k)
  })

  test('a camera that moves, and the split of the interpolation scenes', async () => {
    const all = files()
    for (const [i, id] of ids.entries())
      all[`camera/${id}.json`] = cameraFile(id, {
        position: [i, i / 2, 3],
        radial_distortion: [0, 0, 0],
        tangential: [0, 0],
      })
    all['dataset.json'] = JSON.stringify({ ids: ids.filter((id) => id.startsWith('left')) })
    const capture = await openCapture(memoryFolder(all))
    expect(capture.moving).toBe(true)
    expect(capture.cameras.map(({ name, test }) => [name, test])).toEqual([
      ['cam0', false],
      ['cam0-2', true],
    ])
    expect(capture.problems.map(({ code }) => code)).toEqual(['left-out'])
  })

  test.each<[string, Record<string, string>]>([
    ['a skew', { 'camera/left1_000000.json': cameraFile('left1_000000', { skew: 0.5 }) }],
    [
      'an orientation of zeros',
      {
        'camera/left1_000000.json': cameraFile('left1_000000', {
          orientation: [
            [0, 0, 0],
            [0, 0, 0],
            [0, 0, 0],
          ],
        }),
      },
    ],
    ['another shape of image', { 'camera/left1_000000.json': cameraFile('left1_000000', { image_size: [160, 120] }) }],
    ['no frame number', { 'metadata.json': JSON.stringify({ left1_000000: { camera_id: 0 } }) }],
    ['ids that are numbers', { 'dataset.json': JSON.stringify({ train_ids: [1], val_ids: [2] }) }],
    ['a camera file that is cut', { 'camera/left1_000000.json': '{' }],
  ])('refuses %s', async (_, change) => {
    const said = await failure(() => openCapture(memoryFolder({ ...files(), ...change })))
    expect(said.replace(/expected JSON, got .*/, 'expected JSON')).toMatchSnapshot()
  })

  test('refuses ids without images', async () => {
    const rest = Object.fromEntries(Object.entries(files()).filter(([name]) => !name.startsWith('rgb/')))
    expect(await failure(() => openCapture(memoryFolder(rest)))).toMatch(/no images in rgb\/1x/)
  })
})
