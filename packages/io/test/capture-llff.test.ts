import { cameraToWorldFrom } from '@clipgstream/camera'
import { detectCapture, memoryFolder, openCapture } from '@clipgstream/io'
import { describe, expect, test } from 'vitest'
import { failure } from './helpers.js'
import { courtRig, expectRig, frameImage, npy, type RigCamera } from './rig.js'
import { picture } from './scene.js'

/** Rows of poses_bounds.npy: [camera to world (down, right, backward) | height width focal], near, far. */
function rows(rig: readonly RigCamera[]): number[] {
  return rig.flatMap(({ view }) => {
    const m = cameraToWorldFrom(view.worldToCamera, 'llff')
    const hwf = [view.height, view.width, view.fx]
    return [...[0, 1, 2].flatMap((r) => [...m.slice(r * 4, r * 4 + 4), hwf[r] ?? 0]), 1.5, 40]
  })
}

const rig = await courtRig(3)
const poses = npy([3, 17], rows(rig))
const videos = Object.fromEntries(rig.map(({ name }) => [`${name}.mp4`, 'not opened']))

describe('poses_bounds.npy', () => {
  test('videos in the order of their names', async () => {
    const vfs = memoryFolder({ 'poses_bounds.npy': poses, ...videos })
    expect(await detectCapture(vfs)).toMatchObject({ kind: 'llff', also: [] })
    const capture = await openCapture(vfs)
    expectRig(capture, rig)
    expect(capture.times).toBeNull()
    expect(capture.cameras.map(({ test }) => test)).toEqual([true, false, false])
    expect(capture.scene).toMatchObject({ near: 1.5, far: 40 })
    expect(capture.cameras[1]?.source).toEqual({ kind: 'video', path: 'view001.mp4' })
  })

  test('extracted images, of half the size', async () => {
    const small = await picture(80, 45, 1)
    const files = rig.flatMap(({ name }) => [0, 1].map((f) => [`${name}/images/000${f}.png`, small] as const))
    const capture = await openCapture(memoryFolder({ 'poses_bounds.npy': poses, ...Object.fromEntries(files) }))
    const half = rig.map(({ name, view }) => ({
      name,
      view: { ...view, width: 80, height: 45, fx: view.fx / 2, fy: view.fy / 2, cx: 40, cy: 22.5 },
    }))
    expectRig(capture, half)
    expect(capture.times).toEqual([0, 1])
  })

  test('the axes, by hand: a camera at the origin that looks along -z with its top towards +y', async () => {
    // Down is -y, right is +x, backward is +z; 100 x 80 pixels, focal length 50.
    const row = [0, 1, 0, 0, 80, -1, 0, 0, 0, 100, 0, 0, 1, 0, 50, 1, 9]
    const capture = await openCapture(memoryFolder({ 'poses_bounds.npy': npy([1, 17], row), 'cam00.mp4': '' }))
    expect(capture.cameras[0]?.calibration?.camera.params).toEqual([50, 50, 50, 40])
    const m = capture.cameras[0]?.calibration?.worldToCamera.map((value) => value + 0)
    expect(m).toEqual([1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0])
  })

  test('another number of videos is an error that names them', async () => {
    const { [`${rig[0]?.name}.mp4`]: _, ...fewer } = videos
    expect(
      await failure(() => openCapture(memoryFolder({ 'poses_bounds.npy': poses, ...fewer }))),
    ).toMatchInlineSnapshot(`
      "DatasetError: memory cannot be used:
        poses_bounds.npy has 3 cameras, but there are 2 videos or image folders (view001, view002); rows are paired with them in the order of their names, so their numbers must agree"
    `)
  })

  test.each([
    ['sixteen columns', npy([3, 16], Array(48).fill(1))],
    ['a pose that is no rotation', npy([1, 17], Array(17).fill(1))],
    [
      'a size of half pixels',
      npy(
        [1, 17],
        rows(rig.slice(0, 1)).map((v, i) => (i === 4 ? 90.5 : v)),
      ),
    ],
    [
      'not a number',
      npy(
        [1, 17],
        rows(rig.slice(0, 1)).map((v, i) => (i === 3 ? Number.NaN : v)),
      ),
    ],
    ['a file that is cut', poses.slice(0, 300)],
  ])('refuses %s', async (_, bytes) => {
    const said = await failure(() => openCapture(memoryFolder({ 'poses_bounds.npy': bytes, ...videos })))
    expect(said).toMatchSnapshot()
  })

  test('a frame that is cut short in one camera', async () => {
    const files = rig.flatMap(({ name }, i) =>
      Array.from({ length: i === 2 ? 1 : 2 }, (_, f) => [`${name}/images/000${f}.png`, frameImage] as const),
    )
    const capture = await openCapture(memoryFolder({ 'poses_bounds.npy': poses, ...Object.fromEntries(files) }))
    expect(capture.problems.map(({ message }) => message)).toEqual([
      'cameras have different numbers of images: 2 (view000, view001), 1 (view002)',
    ])
  })
})
