import { readPointCloud } from '../ply/points.js'
import { finishCapture, type Reading } from './finish.js'
import { groupShots, type Shot } from './group.js'
import { readTransforms } from './transforms.js'
import type { Capture, CaptureCloud } from './types.js'

const splits = ['train', 'val', 'test'] as const

/**
 * NeRF's synthetic scenes and D-NeRF: `transforms_{train,val,test}.json` of Blender cameras with `camera_angle_x`, images
 * with alpha. What is in `test` is for testing; `val` is left out where there is a `test`. The principal point is the centre
 * of the image, where Blender has it (NeRF's own code, which puts pixel centres at whole numbers, is half a pixel off).
 */
export async function readBlender(reading: Reading): Promise<Capture> {
  const { vfs, folders, options } = reading
  const shots: Shot[] = []
  const present: string[] = []
  for (const split of splits) if (await folders.hasFile(`transforms_${split}.json`)) present.push(split)
  for (const split of present) {
    if (split === 'val' && present.includes('test')) continue
    const { transforms } = await readTransforms(reading, `transforms_${split}.json`)
    for (const { shot } of transforms) shots.push({ ...shot, test: split !== 'train' })
  }
  if (present.includes('val') && present.includes('test'))
    reading.findings.note(
      'left-out',
      'transforms_val.json is left out: transforms_test.json is what scores are taken from',
    )
  const clouds: CaptureCloud[] = []
  for (const path of ['points3d.ply', 'points3D.ply', 'fused.ply']) {
    if (await folders.hasFile(path))
      clouds.push({ path, frames: null, read: async () => readPointCloud(await vfs.read(path), path) })
  }
  return finishCapture(reading, {
    kind: 'blender',
    ...groupShots(shots),
    clouds,
    background: options.background ?? [1, 1, 1],
  })
}
