import { DatasetError } from '../dataset/open.js'
import type { Problem } from '../dataset/types.js'
import { OptionError, shown } from '../errors.js'
import { compareNatural, stem } from '../vfs/path.js'
import type { Vfs } from '../vfs/vfs.js'
import { Findings, some } from './findings.js'
import { Folders, maskFolders } from './folders.js'
import { findMedia, type Media, pairByName } from './media.js'
import type {
  Capture,
  CaptureCalibration,
  CaptureCamera,
  CaptureCloud,
  CaptureImage,
  CaptureKind,
  CaptureMasks,
  CaptureOptions,
  CaptureScene,
  CaptureSource,
  TestRule,
} from './types.js'

/** What a reader is given. */
export class Reading {
  readonly folders: Folders
  readonly findings = new Findings()

  constructor(
    readonly vfs: Vfs,
    readonly options: CaptureOptions,
  ) {
    this.folders = new Folders(vfs)
  }

  /** Where the calibration's pixel centres are, when the layout's habit is `usual`. */
  centres(usual: 'half' | 'integer'): 'half' | 'integer' {
    return this.options.pixelCentres ?? usual
  }

  get maskFolders(): readonly string[] {
    return this.options.masks === undefined ? maskFolders : [this.options.masks]
  }

  async mask(image: string): Promise<string | null> {
    return this.folders.mask(image, this.maskFolders)
  }

  /** Images of a static camera, frame by frame; with their masks. */
  async images(paths: readonly (string | null)[]): Promise<CaptureImage[]> {
    const images: CaptureImage[] = []
    for (const [frame, path] of paths.entries()) {
      if (path !== null) images.push({ frame, path, mask: await this.mask(path), calibration: null })
    }
    return images
  }

  async source(media: Media): Promise<CaptureSource> {
    if (media.kind === 'video') return { kind: 'video', path: media.path }
    return { kind: 'images', images: await this.images(media.paths) }
  }

  /**
   * Cameras of a calibration with the media that belong to them by name. Those without media are a gap; media without a
   * calibration are left out with a warning.
   */
  async pair(
    calibrations: ReadonlyMap<string, CaptureCalibration>,
    from: string,
  ): Promise<Omit<CaptureCamera, 'test'>[]> {
    const media = await findMedia(this.folders)
    if (media.length === 0) {
      this.findings.error(
        'missing-video',
        `${from} has cameras, but there are no videos and no image folders beside it`,
      )
    }
    const names = [...calibrations.keys()]
    const found = pairByName(names, media)
    const cameras: Omit<CaptureCamera, 'test'>[] = []
    const without: string[] = []
    for (const [i, [name, calibration]] of [...calibrations].entries()) {
      const own = found[i]
      if (own) cameras.push({ name: own.name, calibration, source: await this.source(own) })
      else without.push(name)
    }
    if (media.length > 0 && without.length > 0) {
      const have = some(
        media.map(({ name }) => name),
        6,
      )
      this.findings.gap('missing-video', `${from}: no video or images of ${some(without, 6)}; there are ${have}`)
    }
    const unused = media.filter((item) => !found.includes(item)).map(({ name }) => name)
    if (unused.length > 0) {
      this.findings.warning('left-out', `${from} does not have ${some(unused, 6)}; what they recorded is left out`)
    }
    return cameras
  }
}

interface Draft {
  readonly kind: CaptureKind
  readonly cameras: readonly (Omit<CaptureCamera, 'test'> & { readonly test?: boolean })[]
  readonly times?: readonly number[] | null
  readonly fps?: number | null
  readonly moving?: boolean
  readonly background?: readonly [number, number, number] | null
  readonly masks?: CaptureMasks
  readonly clouds?: readonly CaptureCloud[]
  readonly scene?: Partial<CaptureScene>
  /** How the publishers split; cameras that say `test` themselves need none. */
  readonly test?: TestRule
}

/** Completes what a reader found: order, split, masks. Throws a {@link DatasetError} when it cannot be used. */
export function finishCapture(reading: Reading, draft: Draft): Capture {
  const { vfs, options, findings } = reading
  const drafted = options.shots ? draft.cameras.flatMap(shotsOf) : draft.cameras
  const cameras = [...drafted].sort((a, b) => compareNatural(a.name, b.name))
  if (cameras.length === 0 && findings.problems.length === 0) findings.error('no-cameras', 'there are no cameras')
  cameras.forEach((camera, i) => {
    if (i > 0 && camera.name === cameras[i - 1]?.name)
      findings.error('ambiguous-camera', `two cameras are called ${camera.name}; each needs its own name`)
  })
  const given = cameras.some(({ test }) => test !== undefined)
  const rule = options.test ?? (given ? null : (draft.test ?? { every: 10 }))
  const names = cameras.map(({ name }) => name)
  const chosen = rule ? testCameras(names, rule, findings) : null
  const split = cameras.map((camera) => ({ ...camera, test: chosen?.has(camera.name) ?? camera.test ?? false }))
  if (cameras.length > 1 && split.every(({ test }) => test)) {
    findings.error('bad-split', `all ${cameras.length} cameras are test cameras; leave some for training`)
  }
  const images = cameras.flatMap(({ source }) => (source.kind === 'images' ? source.images : []))
  const masked = images.filter(({ mask }) => mask !== null).length
  if (masked > 0 && masked < images.length) {
    findings.warning('missing-mask', `${images.length - masked} of ${images.length} images have no mask`)
  }
  const videos = cameras.some(({ source }) => source.kind === 'video')
  const times = videos ? null : (draft.times ?? frameTimes(images))
  if (!videos) checkFrames(cameras, draft.moving === true, findings)
  const capture: Capture = {
    kind: draft.kind,
    vfs,
    cameras: split,
    times,
    fps: draft.fps ?? null,
    moving: draft.moving ?? false,
    background: draft.background ?? null,
    masks: masked > 0 ? (draft.masks ?? { meaning: 'moving', threshold: 128 }) : null,
    clouds: draft.clouds ?? [],
    scene: { near: null, far: null, center: null, scale: null, ...draft.scene },
    problems: findings.problems,
  }
  if (options.masks !== undefined && masked === 0)
    findings.error('missing-mask', `there are no masks of its images in folders named ${options.masks}`)
  throwErrors(vfs, findings.problems, options.allowGaps ?? false)
  return capture
}

/** The images of a camera that moves as cameras that do not; `train` becomes `train_0000`, `train_0001`, ... */
function shotsOf(camera: Draft['cameras'][number]): Draft['cameras'] {
  const { name, calibration, source, test } = camera
  if (calibration !== null || source.kind !== 'images' || !source.images.some((image) => image.calibration))
    return [camera]
  return source.images.map((image) => ({
    name: source.images.length === 1 ? name : `${name}_${String(image.frame).padStart(4, '0')}`,
    calibration: image.calibration,
    source: { kind: 'images', images: [{ ...image, calibration: null }] },
    ...(test !== undefined && { test }),
  }))
}

function throwErrors(vfs: Vfs, problems: readonly Problem[], allowGaps: boolean): void {
  const errors = problems.filter(({ severity, gap }) => severity === 'error' && !(gap && allowGaps))
  if (errors.length > 0) throw new DatasetError(vfs.label, problems)
}

/** Names of the cameras that a rule keeps for testing. */
export function testCameras(names: readonly string[], rule: TestRule, findings: Findings): Set<string> {
  const chosen = new Set<string>()
  if (names.length === 0) return chosen
  if ('every' in rule) {
    const { every, from = 0 } = rule
    if (!(Number.isSafeInteger(every) && every >= 1))
      throw new OptionError('test.every', every, 'a whole number above 0')
    if (!(Number.isSafeInteger(from) && from >= 0)) throw new OptionError('test.from', from, 'a whole number')
    for (let i = from; i < names.length; i += every) chosen.add(names[i] ?? '')
    return chosen
  }
  for (const item of rule.names) {
    const name = typeof item === 'number' ? names[item] : names.find((known) => known === item || known === stem(item))
    if (name !== undefined) chosen.add(name)
    else findings.error('bad-split', `there is no camera ${shown(item)}; cameras are ${some(names, 8)}`)
  }
  return chosen
}

function frameTimes(images: readonly CaptureImage[]): number[] {
  const frames = images.reduce((most, { frame }) => Math.max(most, frame + 1), 0)
  return Array.from({ length: frames }, (_, i) => i)
}

/** Static cameras that were recorded together should have the same frames. */
function checkFrames(cameras: Draft['cameras'], moving: boolean, findings: Findings): void {
  if (moving) return
  const counts = new Map<number, string[]>()
  for (const { name, source } of cameras) {
    if (source.kind !== 'images') continue
    const count = source.images.length
    counts.set(count, [...(counts.get(count) ?? []), name])
  }
  if (counts.size < 2) return
  const listed = [...counts].map(([count, names]) => `${count} (${some(names)})`).join(', ')
  findings.warning('missing-image', `cameras have different numbers of images: ${listed}`)
}
