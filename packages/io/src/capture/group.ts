import { baseName, compareNatural, stem } from '../vfs/path.js'
import type { CaptureCalibration, CaptureCamera, CaptureImage } from './types.js'

/** An image with everything that a list of images says of it. */
export interface Shot {
  readonly path: string
  /** In any unit. */
  readonly time: number
  readonly mask: string | null
  readonly calibration: CaptureCalibration
  readonly test: boolean | null
  /** Which camera made it, where the files say so. */
  readonly camera?: string
}

export interface Grouped {
  readonly cameras: (Omit<CaptureCamera, 'test'> & { test?: boolean })[]
  readonly times: number[]
  readonly moving: boolean
}

/**
 * Cameras out of a list of images. Images with one and the same calibration come from one static camera when that explains
 * the list (two images a camera or more), and so do images that all have one time. What is left are cameras that move: one
 * for each camera id, else one for each folder, which then has one image at a time.
 */
export function groupShots(shots: readonly Shot[]): Grouped {
  const times = [...new Set(shots.map(({ time }) => time))].sort((a, b) => a - b)
  const frames = new Map(times.map((time, frame) => [time, frame]))
  const image = (shot: Shot, own: boolean): CaptureImage => ({
    frame: frames.get(shot.time) ?? 0,
    path: shot.path,
    mask: shot.mask,
    calibration: own ? shot.calibration : null,
  })
  const ordered = (group: readonly Shot[], own: boolean) =>
    group.map((shot) => image(shot, own)).sort((a, b) => a.frame - b.frame || compareNatural(a.path, b.path))

  const same = collect(shots, ({ calibration, camera }) => JSON.stringify([camera ?? null, calibration]))
  const oneImageATime = (groups: readonly (readonly Shot[])[]) =>
    groups.every((group) => new Set(group.map(({ time }) => time)).size === group.length)
  if (times.length === 1 || (same.length * 2 <= shots.length && oneImageATime(same))) {
    const groups = times.length === 1 ? shots.map((shot) => [shot]) : same
    const names = staticNames(groups)
    const cameras = groups.map((group, i) => ({
      name: names[i] ?? '',
      calibration: group[0]?.calibration ?? null,
      source: { kind: 'images' as const, images: ordered(group, false) },
      ...testOf(group),
    }))
    return { cameras, times, moving: false }
  }
  const byFolder = collect(shots, ({ camera, path, test }) => JSON.stringify([camera ?? folderOf(path), test]))
  // Several images of one moment in a folder: nothing says which belong together.
  const together = oneImageATime(byFolder)
  const groups = together ? byFolder : shots.map((shot) => [shot])
  const names = unique(groups.map(([first]) => (together ? movingName(first) : stem(first?.path ?? ''))))
  const cameras = groups.map((group, i) => ({
    name: names[i] ?? '',
    calibration: null,
    source: { kind: 'images' as const, images: ordered(group, true) },
    ...testOf(group),
  }))
  return { cameras, times, moving: true }
}

function collect(shots: readonly Shot[], key: (shot: Shot) => string): Shot[][] {
  const groups = new Map<string, Shot[]>()
  for (const shot of shots) {
    const name = key(shot)
    const group = groups.get(name)
    if (group) group.push(shot)
    else groups.set(name, [shot])
  }
  return [...groups.values()]
}

/** A camera is for testing when all of its images are; not said when no image says anything. */
function testOf(group: readonly Shot[]): { test?: boolean } {
  return group.every(({ test }) => test === null) ? {} : { test: group.every(({ test }) => test === true) }
}

/** The name of the folder where each camera has its own, else of its file where it has one image, else numbers. */
function staticNames(groups: readonly (readonly Shot[])[]): string[] {
  const given = groups.map(([first]) => first?.camera)
  if (given.every((name) => name !== undefined) && new Set(given).size === given.length) return given
  for (const level of [1, 2]) {
    const names = groups.map((group) => {
      const own = new Set(group.map(({ path }) => path.split('/').at(-1 - level) ?? ''))
      return own.size === 1 ? ([...own][0] ?? '') : ''
    })
    if (!names.includes('') && new Set(names).size === names.length) return names
  }
  const files = groups.map(([first]) => stem(first?.path ?? ''))
  if (groups.every((group) => group.length === 1) && new Set(files).size === files.length) return files
  const digits = String(groups.length - 1).length
  return groups.map((_, i) => `cam${String(i).padStart(Math.max(2, digits), '0')}`)
}

function movingName(shot: Shot | undefined): string {
  return shot?.camera ?? (baseName(folderOf(shot?.path ?? '')) || 'camera')
}

function unique(names: readonly string[]): string[] {
  const seen = new Map<string, number>()
  return names.map((name) => {
    const count = (seen.get(name) ?? 0) + 1
    seen.set(name, count)
    return count === 1 ? name : `${name}-${count}`
  })
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}
