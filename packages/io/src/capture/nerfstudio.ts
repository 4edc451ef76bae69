import { readPointCloud } from '../ply/points.js'
import { normalizePath } from '../vfs/path.js'
import { finishCapture, type Reading } from './finish.js'
import { groupShots, type Shot } from './group.js'
import { readTransforms } from './transforms.js'
import type { Capture, CaptureCloud } from './types.js'

/**
 * nerfstudio's and instant-ngp's `transforms.json` (https://docs.nerf.studio/quickstart/data_conventions.html), with `time`
 * where frames have it. Pixel centres are at +0.5, as nerfstudio shoots its rays.
 */
export async function readNerfstudio(reading: Reading): Promise<Capture> {
  const { vfs, folders } = reading
  const { transforms, top } = await readTransforms(reading, 'transforms.json')
  const names = (list: string) => {
    const field = top.get(list)
    return field.missing ? null : new Set(field.list().map((item) => item.text()))
  }
  const test = names('test_filenames') ?? names('val_filenames')
  const shots: Shot[] = transforms.map(({ shot, filePath }) => ({ ...shot, test: test ? test.has(filePath) : null }))
  const timed = transforms.filter((transform) => transform.timed).length
  if (timed > 0 && timed < transforms.length) {
    const message = `transforms.json: ${transforms.length - timed} of ${transforms.length} frames have no time; they are taken for time 0`
    reading.findings.warning('assumed', message)
  }
  const clouds: CaptureCloud[] = []
  const ply = top.get('ply_file_path')
  if (!ply.missing) {
    const path = ply.checked('a path inside the folder', () => normalizePath(ply.text()))
    if (await folders.hasFile(path)) {
      clouds.push({ path, frames: null, read: async () => readPointCloud(await vfs.read(path), path) })
    } else reading.findings.warning('missing-cloud', `transforms.json names the cloud ${path}, which is not there`)
  }
  const masked = top
    .get('frames')
    .list()
    .some((frame) => !frame.get('mask_path').missing)
  return finishCapture(reading, {
    kind: 'nerfstudio',
    ...groupShots(shots),
    clouds,
    fps: top.get('fps').numberOrNull(),
    // What mask_path names is what nerfstudio samples its rays from.
    masks: { meaning: masked ? 'valid' : 'moving', threshold: 128 },
    scene: { scale: top.get('scale').numberOrNull() },
  })
}
