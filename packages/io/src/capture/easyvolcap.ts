import { rotationFromVector } from '@clipgstream/camera'
import { FormatError } from '../errors.js'
import { readImageSize } from '../images/probe.js'
import type { Size } from '../images/types.js'
import { readText } from './fields.js'
import { finishCapture, type Reading } from './finish.js'
import { matrixIntrinsics, perspectiveCamera, rigid, shiftCentres } from './lens.js'
import { findMedia, type Media, pairByName } from './media.js'
import { parseOpencvYaml } from './opencv-yaml.js'
import type { Capture, CaptureCalibration } from './types.js'

/**
 * EasyMocap's and EasyVolcap's `intri.yml` and `extri.yml`: `names`, and for each `K_NAME` (3x3), `D_NAME` or `dist_NAME`
 * (k1 k2 p1 p2 k3), `W_NAME`, `H_NAME`; `Rot_NAME` (3x3) or `R_NAME` (a rotation vector) and `T_NAME`, world to camera with OpenCV
 * axes. Sizes that the files lack are those of the images. Images lie in `images/NAME/`, masks in `masks/NAME/`, videos in
 * `videos/NAME.mp4`. Pixel centres are taken at +0.5, as EasyVolcap draws and as its converter from COLMAP writes them;
 * calibrations by OpenCV itself have them at whole numbers (`pixelCentres: 'integer'`).
 */
export async function readEasyvolcap(reading: Reading): Promise<Capture> {
  const { vfs, findings } = reading
  const intri = parseOpencvYaml(await readText(vfs, 'intri.yml'), 'intri.yml')
  const extri = parseOpencvYaml(await readText(vfs, 'extri.yml'), 'extri.yml')
  const names = intri
    .get('names')
    .list()
    .map((name) => (typeof name.value === 'number' ? String(name.value) : name.text()))
  const media = await findMedia(reading.folders)
  const own = pairByName(names, media)
  const calibrations = new Map<string, CaptureCalibration>()
  for (const [i, name] of names.entries()) {
    const k = intri.get(`K_${name}`)
    const d = intri.either(`D_${name}`, `dist_${name}`)
    const h = intri.get(`H_${name}`)
    const w = intri.get(`W_${name}`)
    const stated = h.numberOr(-1) > 0 && w.numberOr(-1) > 0 ? { width: w.whole(1), height: h.whole(1) } : null
    const size =
      stated ??
      (await sizeOf(reading, own[i] ?? null)) ??
      w.fail(`a width and a height H_${name}, or images to take them from`)
    const distortion = d.missing ? [] : d.numbers(d.list().flat().length)
    const camera = perspectiveCamera({ ...size, ...matrixIntrinsics(k) }, distortion, d)
    const vector = extri.get(`R_${name}`)
    const matrix = extri.get(`Rot_${name}`)
    const [tx, ty, tz] = extri.get(`T_${name}`).triple()
    const rotation = matrix.missing ? rotationFromVector(vector.triple()).flat() : matrix.numbers(9)
    const [a = 0, b = 0, c = 0, e = 0, f = 0, g = 0, i3 = 0, j = 0, l = 0] = rotation
    const source = matrix.missing ? vector : matrix
    calibrations.set(name, {
      camera: shiftCentres(camera, reading.centres('half')),
      worldToCamera: rigid(source, [a, b, c, tx, e, f, g, ty, i3, j, l, tz]),
    })
    if (!intri.get(`ccm_${name}`).missing && findings.problems.every(({ code }) => code !== 'left-out'))
      findings.note('left-out', 'intri.yml has colour matrices (ccm); they are not used')
  }
  if (calibrations.size < names.length)
    throw new FormatError('intri.yml', 'names', 'each name once', 'a name that comes again')
  const cameras = await reading.pair(calibrations, 'intri.yml')
  return finishCapture(reading, { kind: 'easyvolcap', cameras, test: { names: [0] } })
}

async function sizeOf(reading: Reading, media: Media | null): Promise<Size | null> {
  const path = media?.kind === 'images' ? media.paths.find((item) => item !== null) : null
  return path ? readImageSize(reading.vfs, path) : null
}
