import { OptionError } from '@clipgstream/io'
import { ProcessError } from '../errors.js'
import type { ProcessOptions } from '../types.js'

/** What a camera has before anything is chosen. */
export interface CameraFrames {
  readonly name: string
  /** Whether each of its frames is there. */
  readonly present: readonly boolean[]
  /** Frames a second; null where nobody says. */
  readonly fps: number | null
}

/** Which frame of each camera becomes which of the dataset. */
export interface FramePlan {
  readonly count: number
  readonly fps: number | null
  /** For each camera, by name: its frame for every frame of the dataset, null where it has none. */
  readonly frames: ReadonlyMap<string, readonly (number | null)[]>
}

export type PlanOptions = Pick<ProcessOptions, 'frames' | 'every' | 'fps' | 'offsets' | 'lengths'>

/** Puts cameras on one time line and chooses frames of it. Throws a {@link ProcessError} that names cameras that do not fit. */
export function planFrames(cameras: readonly CameraFrames[], options: PlanOptions): FramePlan {
  const { every = 1, lengths = 'refuse', offsets = {} } = options
  if (cameras.length === 0) throw new ProcessError('there are no cameras')
  checkOffsets(cameras, offsets)
  const fps = commonRate(cameras)
  const at = (name: string) => offsets[name] ?? 0
  const starts = cameras.map(({ name }) => -at(name))
  const ends = cameras.map(({ name, present }) => present.length - at(name))
  const gaps = lengths === 'gaps'
  // What all have begins where the last camera does.
  const origin = gaps ? Math.min(...starts) : Math.max(...starts)
  const length = (gaps ? Math.max(...ends) : Math.min(...ends)) - origin
  if (length < 1)
    throw new ProcessError(`the cameras have no frame in common: ${countsText(cameras)}; are the offsets right?`)
  const [first, end] = options.frames ?? [0, length]
  if (!(Number.isInteger(first) && Number.isInteger(end) && first >= 0 && first < end && end <= length))
    throw new OptionError(
      'frames',
      `${first}-${end - 1}`,
      `within 0-${length - 1}, which the cameras have in common (frames: ${countsText(cameras)})`,
    )
  const shifted = cameras.some(({ name }) => at(name) !== 0)
  const counts = new Set(cameras.map(({ present }) => present.length))
  if (lengths === 'refuse' && counts.size > 1 && !options.frames && !shifted)
    throw new ProcessError(
      `cameras have different numbers of frames: ${countsText(cameras)}. Take those that all have (--lengths shortest), ` +
        'those that any has (--lengths gaps), or a range (--frames); give --offsets where cameras started at different times',
    )
  const chosen = choose(end - first, fps, every, options.fps)
  const frames = new Map(
    cameras.map(({ name, present }) => {
      return [name, chosen.map((k) => own(present, k + first + origin + at(name)))]
    }),
  )
  const missing = cameras.filter(({ name }) => frames.get(name)?.includes(null)).map(({ name }) => name)
  if (!gaps && missing.length > 0)
    throw new ProcessError(`frames of ${missing.join(', ')} are missing; --lengths gaps leaves them out`)
  return { count: chosen.length, fps: options.fps ?? (fps === null ? null : fps / every), frames }
}

function own(present: readonly boolean[], frame: number): number | null {
  return present[frame] === true ? frame : null
}

function choose(length: number, fps: number | null, every: number, wanted: number | undefined): number[] {
  if (!(Number.isInteger(every) && every >= 1)) throw new OptionError('every', every, 'a whole number above 0')
  if (wanted === undefined) return Array.from({ length: Math.ceil(length / every) }, (_, k) => k * every)
  if (every !== 1) throw new OptionError('every', every, '1 when fps says how many frames there are to be')
  if (fps === null) throw new OptionError('fps', wanted, 'left out: nothing says how many frames a second there are')
  if (!(wanted > 0 && wanted <= fps * (1 + 1e-6)))
    throw new OptionError('fps', wanted, `above 0 and at most the ${fps} of the videos`)
  const count = Math.floor(((length - 1) * wanted) / fps + 1e-6) + 1
  return Array.from({ length: count }, (_, k) => Math.min(length - 1, Math.round((k * fps) / wanted)))
}

function checkOffsets(cameras: readonly CameraFrames[], offsets: Readonly<Record<string, number>>): void {
  for (const [name, offset] of Object.entries(offsets)) {
    if (!Number.isInteger(offset)) throw new OptionError(`offset of ${name}`, offset, 'a whole number of frames')
    if (!cameras.some((camera) => camera.name === name))
      throw new OptionError('offsets', name, `of cameras: ${cameras.map((camera) => camera.name).join(', ')}`)
  }
}

function commonRate(cameras: readonly CameraFrames[]): number | null {
  const rates = cameras.flatMap(({ fps }) => (fps === null ? [] : [fps]))
  const [first] = rates
  if (first === undefined) return null
  if (rates.some((rate) => Math.abs(rate / first - 1) > 2e-3)) {
    const listed = cameras.map(({ name, fps }) => `${name} ${fps === null ? '?' : fps.toFixed(3)}`).join(', ')
    throw new ProcessError(`cameras have different frames a second: ${listed}; bring them to one rate first`)
  }
  return first
}

/** `100 (cam01, cam02), 99 (cam03)` */
export function countsText(cameras: readonly CameraFrames[]): string {
  const groups = new Map<number, string[]>()
  for (const { name, present } of cameras) groups.set(present.length, [...(groups.get(present.length) ?? []), name])
  return [...groups].map(([count, names]) => `${count} (${names.join(', ')})`).join(', ')
}
