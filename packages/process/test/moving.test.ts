import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openDataset, readPointCloud } from '@clipgstream/io'
import { createNodeDecoder, nodeFolder } from '@clipgstream/io/node'
import { type ProcessEvent, type ProcessOptions, processRecordings } from '@clipgstream/process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Shot, writeMoving } from './moving.js'

const folder = mkdtempSync(join(tmpdir(), 'clipgstream-moving-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => join(folder, name)
const sample = fileURLToPath(new URL('../../../samples/court-mini', import.meta.url))

const shots: Shot[] = [
  ...Array.from({ length: 8 }, (_, i) => ({ split: 'train' as const, camera: (i * 5) % 12, frame: i })),
  { split: 'test', camera: 4, frame: 2 },
  { split: 'test', camera: 9, frame: 5 },
]

async function run(dataset: string, options: ProcessOptions = {}) {
  const events: ProcessEvent[] = []
  const report = await processRecordings(at('moving'), at(dataset), options, (event) => events.push(event))
  const said = events.flatMap((event) => (event.type === 'note' || event.type === 'warning' ? [event.message] : []))
  const states = events.flatMap((event) => (event.type === 'step' ? [`${event.step} ${event.state}`] : []))
  return { report, said, states }
}

describe('a camera that moves', () => {
  beforeAll(() => writeMoving(at('moving'), sample, shots))

  it('becomes a dataset of shots, each in its own frame, in one clip', async () => {
    const { report, said } = await run('one')
    expect(report).toMatchObject({ usable: true, moving: true, images: { found: 10, expected: 10 } })
    expect(said).toContain(
      'the cameras move: each of 10 images is a camera of its own, clips have 8 frames (--clip-size), points are given (--clouds)',
    )
    const [dataset, source] = [await openDataset(nodeFolder(at('one'))), await openDataset(nodeFolder(sample))]
    expect(dataset).toMatchObject({ moving: true, clipSize: 8 })
    expect(dataset.clips).toMatchObject([{ start: 0, end: 8 }])
    const decoder = createNodeDecoder()
    const pixels = async (path: string) => (await decoder.decode(new Uint8Array(readFileSync(path)), path)).data
    for (const { split, camera, frame } of shots) {
      const own =
        dataset.cameras.find(({ name }) => name === `${split}_000${frame}`) ?? expect.fail(`${split} ${frame}`)
      expect(own.test).toBe(split === 'test')
      const [view, expected] = [own.view, source.cameras[camera]!.view]
      expect([view.width, view.height, view.fx, view.fy]).toEqual(
        [expected.width, expected.height, expected.fx, expected.fy].map((value) => expect.closeTo(value, 5)),
      )
      expect(view.worldToCamera).toEqual(expected.worldToCamera.map((value) => expect.closeTo(value, 5)))
      const found = Array.from({ length: 8 }, (_, f) => dataset.imagePath(own.index, f))
      expect(found.flatMap((path, f) => (path ? [f] : []))).toEqual([frame])
      // The image goes through one more JPEG, laid over white.
      const [made, given] = await Promise.all([
        pixels(join(at('one'), found[frame] ?? '')),
        pixels(join(sample, source.imagePath(camera, frame) ?? '')),
      ])
      const mean = given.reduce((sum, value, i) => sum + Math.abs(value - made[i]!), 0) / given.length
      expect(mean).toBeLessThan(3)
    }
    const cloud = readPointCloud(new Uint8Array(readFileSync(join(at('one'), 'plys/0.ply'))), '0.ply')
    expect(cloud.count).toBeGreaterThan(1000)
    expect((await run('one')).states).toEqual(
      ['frames', 'cameras', 'images', 'points', 'clouds', 'dataset'].map((s) => `${s} skip`),
    )
  })

  it('is cut into clips when told to, and thinned out', async () => {
    const { report } = await run('two', { clipSize: 2, every: 2, clouds: 'random', randomPoints: 200 })
    // Frames 0, 2, 4, 6: four shots for training, one for testing.
    expect(report).toMatchObject({ usable: true, frames: 4, images: { found: 5 } })
    expect(report.clips).toHaveLength(2)
  })

  it('is not placed by COLMAP, and has no stereo', async () => {
    await expect(run('three', { calibrate: 'colmap' })).rejects.toThrow(
      /is of cameras that move \(blender\): --calibrate colmap places static cameras only; use the poses that it has/,
    )
    await expect(run('four', { clouds: 'stereo' })).rejects.toThrow(
      /--clouds stereo needs three images of every moment, and frame 0 has fewer, since the cameras move; choose .*random/,
    )
  })
})
