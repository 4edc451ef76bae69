import { imageExtensions } from '../images/probe.js'
import { compareNatural, extension, joinPath, stem } from '../vfs/path.js'
import type { Vfs } from '../vfs/vfs.js'
import type { DatasetFrame, Problem } from './types.js'

/** Folders `frame*`, in natural order of their names; the position is the frame's index. */
export async function findFrames(vfs: Vfs, problems: Problem[]): Promise<DatasetFrame[]> {
  const names = (await vfs.list(''))
    .filter(({ name, kind }) => kind === 'folder' && name.startsWith('frame'))
    .map(({ name }) => name)
    .sort(compareNatural)
  if (names.length === 0) {
    const message = 'no folders frame000000, frame000001, ... with images/ in them'
    problems.push({ severity: 'error', code: 'no-frames', message })
  }
  const numbers = names.map((name) => Number(/(\d{1,15})$/.exec(name)?.[1] ?? Number.NaN))
  const jump = numbers.findIndex((number, i) => i > 0 && number !== (numbers[i - 1] ?? 0) + 1)
  if (jump > 0) {
    const message = `${names[jump - 1]} is followed by ${names[jump]}: frames count by position, not by number`
    problems.push({ severity: 'warning', code: 'frame-numbers', message })
  }
  return names.map((folder, index) => ({ index, folder }))
}

/** Paths by frame and camera, null where there is none. */
export type PathTable = readonly (readonly (string | null)[])[]

export interface FoundImages {
  readonly images: PathTable
  readonly masks: PathTable
  readonly hasMasks: boolean
}

/**
 * Finds each camera's image and mask by name without extension, in frames [first, end); other frames are not looked at
 * and have null paths. Every camera has an image in every frame, or, where cameras move, in one frame or more.
 */
export async function findImages(
  vfs: Vfs,
  frames: readonly DatasetFrame[],
  [first, end]: readonly [first: number, end: number],
  cameras: readonly string[],
  moving: boolean,
  problems: Problem[],
): Promise<FoundImages> {
  const nothing = cameras.map(() => null)
  const indices = new Map(cameras.map((name, index) => [name, index]))
  const missing = new Tally()
  const extra = new Tally()
  const images: (string | null)[][] = []
  const masks: (string | null)[][] = []
  for (const { index: frame, folder } of frames) {
    if (frame < first || frame >= end) {
      images.push(nothing)
      masks.push(nothing)
      continue
    }
    const found = await matchFolder(vfs, joinPath(folder, 'images'), indices, problems)
    cameras.forEach((name, index) => {
      if (found.paths[index] === null) missing.add(name, folder)
    })
    for (const name of found.unknown) extra.add(name, folder)
    images.push(found.paths)
    masks.push((await matchFolder(vfs, joinPath(folder, 'masks'), indices, problems)).paths)
  }
  const seen = (name: string) => images.some((row) => row[indices.get(name) ?? -1])
  for (const [name, where] of missing.entries(end - first)) {
    // Of some frames alone, shots of the others are not to be expected.
    if (moving && (seen(name) || end - first < frames.length)) continue
    const message = `camera ${name} lacks an image in ${where}; add it, or take the camera out of the model`
    problems.push({ severity: 'error', code: 'missing-image', message, gap: true })
  }
  for (const [name, where] of extra.entries(end - first)) {
    const message = `image ${name} in ${where} belongs to no camera of the model; it is not used`
    problems.push({ severity: 'warning', code: 'extra-image', message })
  }
  const flat = masks.slice(first, end).flatMap((row, i) => row.filter((_, camera) => images[first + i]?.[camera]))
  const without = flat.filter((path) => path === null).length
  const hasMasks = without < flat.length
  if (hasMasks && without > 0) {
    const message = `${without} of ${flat.length} views have no mask; they are left out where masks are used`
    problems.push({ severity: 'warning', code: 'missing-mask', message })
  }
  return { images, masks, hasMasks }
}

async function matchFolder(
  vfs: Vfs,
  folder: string,
  indices: ReadonlyMap<string, number>,
  problems: Problem[],
): Promise<{ paths: (string | null)[]; unknown: string[] }> {
  const paths: (string | null)[] = Array.from({ length: indices.size }, () => null)
  const unknown: string[] = []
  if (!(await vfs.exists(folder))) return { paths, unknown }
  for (const { name, kind } of await vfs.list(folder)) {
    if (kind !== 'file' || name.startsWith('.') || !imageExtensions.includes(extension(name))) continue
    const index = indices.get(stem(name))
    if (index === undefined) {
      unknown.push(name)
      continue
    }
    const other = paths[index]
    if (typeof other === 'string') {
      const message = `${folder}: both ${other.slice(folder.length + 1)} and ${name} are images of camera ${stem(name)}; keep one`
      problems.push({ severity: 'error', code: 'ambiguous-image', message })
    }
    paths[index] = `${folder}/${name}`
  }
  return { paths, unknown }
}

/** Collects where each name was met, for one line per name. */
class Tally {
  readonly #places = new Map<string, string[]>()

  add(name: string, place: string): void {
    const places = this.#places.get(name) ?? []
    places.push(place)
    this.#places.set(name, places)
  }

  *entries(all: number): Generator<[string, string]> {
    for (const [name, places] of this.#places) {
      const shown = places.slice(0, 3).join(', ')
      if (places.length === all && all > 1) yield [name, `all ${all} frames`]
      else yield [name, places.length > 3 ? `${shown} and ${places.length - 3} more frames` : shown]
    }
  }
}
