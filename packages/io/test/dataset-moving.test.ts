import { formatInspection, inspectDataset, memoryFolder, openDataset } from '@clipgstream/io'
import { expect, test } from 'vitest'
import { failure } from './helpers.js'
import { sceneFiles } from './scene.js'

test('shots of cameras that move have an image in their own frame, and one at least', async () => {
  const files = await sceneFiles({ cameras: 4, frames: 4, clips: 1, meta: { clip_size: 4, moving_cameras: true } })
  // Camera i stays in frame i alone.
  for (const path of Object.keys(files)) {
    const [, frame, camera] = /^frame00000(\d)\/images\/cam(\d)/.exec(path) ?? []
    if (frame !== camera) delete files[path]
  }
  const dataset = await openDataset(memoryFolder(files))
  expect(dataset).toMatchObject({ moving: true, clipSize: 4 })
  expect([0, 1, 2, 3].map((frame) => [0, 1, 2, 3].filter((camera) => dataset.imagePath(camera, frame)))).toEqual([
    [0],
    [1],
    [2],
    [3],
  ])
  const report = await inspectDataset(memoryFolder(files))
  expect(report).toMatchObject({ moving: true, usable: true, images: { found: 4, expected: 4 } })
  expect(report.memory).toMatchObject({ images: 4 * 6 * 5 * 3, clipImages: 4 * 6 * 5 * 3 })
  expect(formatInspection(report)).toMatch(/cameras +4 PINHOLE, shots of cameras that move/)
  const part = await openDataset(memoryFolder(files), { frames: [0, 2], clipSize: 2 })
  expect(part.imagePath(3, 3)).toBeNull()
  delete files['frame000002/images/cam2.png']
  expect(await failure(() => openDataset(memoryFolder(files)))).toMatch(/camera cam2 lacks an image in all 3 frames/)
  const still = { ...files, 'meta.json': '{"moving_cameras": "yes"}' }
  expect(await failure(() => openDataset(memoryFolder(still)))).toMatch(
    /meta.json: moving_cameras must be true or false, got .*yes/,
  )
})
