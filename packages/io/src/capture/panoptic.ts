import { FormatError } from '../errors.js'
import type { PointCloud } from '../ply/points.js'
import { readNpz } from '../tensors/npy.js'
import { joinPath, normalizePath } from '../vfs/path.js'
import type { Vfs } from '../vfs/vfs.js'
import { type Field, readJson } from './fields.js'
import { some } from './findings.js'
import { finishCapture, type Reading } from './finish.js'
import { matrixIntrinsics, perspectiveCamera, rigid, shiftCentres } from './lens.js'
import type { Capture, CaptureCalibration, CaptureCamera, CaptureImage } from './types.js'

/**
 * The sports scenes of Dynamic 3D Gaussians: `train_meta.json` and `test_meta.json` with `w h`, and by frame and camera `k`
 * (3x3), `w2c` (4x4, OpenCV axes), `fn` (file in `ims/`) and `cam_id`; masks of what moves in `seg/`, 1 or more;
 * `init_pt_cld.npz` with `data` [N, 7]: position, colour in [0, 1], whether it moves. Principal points count from the corner
 * of the image, as the renderer of that project takes them.
 */
export async function readPanoptic(reading: Reading): Promise<Capture> {
  const { vfs, folders } = reading
  const cameras: (Omit<CaptureCamera, 'test'> & { test: boolean })[] = []
  for (const [file, test] of [
    ['train_meta.json', false],
    ['test_meta.json', true],
  ] as const) {
    if (await folders.hasFile(file)) cameras.push(...(await readMetaCameras(reading, file, test)))
  }
  const path = 'init_pt_cld.npz'
  const clouds = (await folders.hasFile(path))
    ? [{ path, frames: [0, 1] as const, read: async () => readCloud(vfs, path) }]
    : []
  return finishCapture(reading, {
    kind: 'panoptic',
    cameras,
    moving: cameras.some(({ calibration }) => calibration === null),
    fps: 30,
    clouds,
    masks: { meaning: 'moving', threshold: 1 },
  })
}

async function readMetaCameras(
  reading: Reading,
  file: string,
  test: boolean,
): Promise<(Omit<CaptureCamera, 'test'> & { test: boolean })[]> {
  const meta = await readJson(reading.vfs, file)
  const size = { width: meta.get('w').whole(1), height: meta.get('h').whole(1) }
  const names = meta.get('fn').list()
  const frames = { k: meta.get('k').list(), w2c: meta.get('w2c').list(), id: meta.get('cam_id').list() }
  for (const [name, list] of Object.entries(frames)) {
    if (list.length !== names.length)
      throw new FormatError(file, name, `as many frames as fn, ${names.length}`, `${list.length}`)
  }
  const byCamera = new Map<string, { image: CaptureImage; own: CaptureCalibration }[]>()
  const missing: string[] = []
  for (const [frame, row] of names.entries()) {
    const at = (list: readonly Field[]) => list[frame]?.list() ?? []
    const [k, w2c, id] = [at(frames.k), at(frames.w2c), at(frames.id)]
    for (const [i, fn] of row.list().entries()) {
      const need = (list: readonly Field[], what: string): Field =>
        list[i] ?? row.fail(`as many names as ${what} has entries, ${list.length}`)
      const path = fn.checked('a path inside the folder', () => joinPath('ims', normalizePath(fn.text())))
      const name = String(need(id, 'cam_id').whole()).padStart(2, '0')
      if (!(await reading.folders.hasFile(path))) {
        missing.push(path)
        continue
      }
      const own = readCalibration(need(k, 'k'), need(w2c, 'w2c'), size, reading.centres('half'))
      const list = byCamera.get(name) ?? []
      byCamera.set(name, list)
      list.push({ own, image: { frame, path, mask: await reading.mask(path), calibration: null } })
    }
  }
  if (missing.length > 0)
    reading.findings.gap('missing-image', `${file}: ${missing.length} images are not there: ${some(missing)}`)
  return [...byCamera].map(([name, list]) => {
    const first = list[0]?.own ?? null
    const still = list.every(({ own }) => JSON.stringify(own) === JSON.stringify(first))
    const images = list.map(({ image, own }) => (still ? image : { ...image, calibration: own }))
    return { name: `cam${name}`, calibration: still ? first : null, source: { kind: 'images', images }, test }
  })
}

function readCalibration(
  k: Field,
  w2c: Field,
  size: { readonly width: number; readonly height: number },
  centres: 'half' | 'integer',
): CaptureCalibration {
  const camera = shiftCentres(perspectiveCamera({ ...size, ...matrixIntrinsics(k) }, [], k), centres)
  return { camera, worldToCamera: rigid(w2c, w2c.numbers(16)) }
}

async function readCloud(vfs: Vfs, path: string): Promise<PointCloud> {
  const arrays = await readNpz(await vfs.read(path), path)
  const found = arrays.get('data')
  const [count = 0, width = 0] = found?.shape ?? []
  if (found?.shape.length !== 2 || width < 6 || !['F32', 'F64'].includes(found.dtype)) {
    const actual = found ? `${found.dtype} [${found.shape.join(', ')}]` : [...arrays.keys()].join(', ')
    throw new FormatError(path, 'data', 'floating numbers [N, 7]: position, colour, moving', actual || 'nothing')
  }
  const positions = new Float32Array(count * 3)
  const colors = new Uint8Array(count * 3)
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) {
      positions[i * 3 + c] = Number(found.data[i * width + c])
      colors[i * 3 + c] = Math.max(0, Math.min(255, Math.round(Number(found.data[i * width + 3 + c]) * 255)))
    }
  }
  const wrong = positions.findIndex((value) => !Number.isFinite(value))
  if (wrong >= 0) {
    throw new FormatError(path, `data[${Math.floor(wrong / 3)}]`, 'a finite position', `${positions[wrong]}`)
  }
  return { count, positions, colors }
}
