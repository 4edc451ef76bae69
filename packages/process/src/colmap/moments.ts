import { join } from 'node:path'
import { writeAtomic } from '@clipgstream/io/node'
import { type ColmapDatabase, withDatabase } from './database.js'
import type { Moments } from './pairs.js'

/** The first image of each camera stands for all of its moments. */
export function standIns(images: Moments): Map<string, string> {
  return new Map(
    [...images].flatMap(([name, files]) => {
      const first = files.find((file) => file !== null)
      return first === null || first === undefined ? [] : [[name, first] as const]
    }),
  )
}

/**
 * A camera that stands still has one pose for all moments. So its features of all moments are put into one image, and matches,
 * which are between images of one moment, refer to them there: COLMAP then finds one pose and one lens a camera, from many
 * times the matches. Writes into `folder`, for `feature_importer` and `matches_importer`: `images.txt`, `features/FILE.txt` and
 * `matches.txt`. Features that are in no match are left out, and descriptors, which nothing reads any more, are zeros.
 */
export async function joinMoments(database: string, images: Moments, folder: string): Promise<void> {
  const { features, matches } = await withDatabase(database, (content) => union(content, images))
  for (const [file, points] of features) {
    const zeros = ' 0'.repeat(descriptorLength)
    const lines = points.map(([x, y]) => `${x} ${y} 1 0${zeros}\n`)
    await writeAtomic(
      join(folder, 'features', `${file}.txt`),
      `${points.length} ${descriptorLength}\n${lines.join('')}`,
    )
  }
  await writeAtomic(join(folder, 'images.txt'), [...features.keys()].map((file) => `${file}\n`).join(''))
  const blocks = [...matches].map(([pair, list]) => `${pair}\n${list.map(([a, b]) => `${a} ${b}\n`).join('')}\n`)
  await writeAtomic(join(folder, 'matches.txt'), blocks.join(''))
}

const descriptorLength = 128

interface Joined {
  /** Pixels of the features of each stand-in. */
  readonly features: ReadonlyMap<string, readonly (readonly [number, number])[]>
  /** Pairs of features by the pair of stand-ins, `FILE FILE`. */
  readonly matches: ReadonlyMap<string, readonly (readonly [number, number])[]>
}

async function union({ images: names, keypoints, verified }: ColmapDatabase, images: Moments): Promise<Joined> {
  const places = new Map<string, { standIn: string; moment: number }>()
  const features = new Map<string, [number, number][]>()
  for (const [camera, standIn] of standIns(images)) {
    features.set(standIn, [])
    for (const [moment, file] of (images.get(camera) ?? []).entries())
      if (file !== null) places.set(file, { standIn, moment })
  }
  /** Places among the features of the stand-in by image and feature. */
  const numbers = new Map<number, Map<number, number>>()
  const place = async (image: number, feature: number, standIn: string) => {
    const known = numbers.get(image) ?? new Map<number, number>()
    numbers.set(image, known)
    const number = known.get(feature)
    if (number !== undefined) return number
    const points = features.get(standIn) ?? []
    const xy = await keypoints(image)
    known.set(feature, points.length)
    points.push([xy[2 * feature] ?? 0, xy[2 * feature + 1] ?? 0])
    return points.length - 1
  }
  const matches = new Map<string, [number, number][]>()
  for (const { images: ids, matches: found } of verified) {
    const [a, b] = [places.get(names.get(ids[0]) ?? ''), places.get(names.get(ids[1]) ?? '')]
    if (!a || !b || a.moment !== b.moment || a.standIn === b.standIn) continue
    // One order for all moments, whatever the order of their ids is.
    const swap = a.standIn > b.standIn
    const pair = swap ? `${b.standIn} ${a.standIn}` : `${a.standIn} ${b.standIn}`
    const list = matches.get(pair) ?? []
    matches.set(pair, list)
    for (let i = 0; i < found.length; i += 2) {
      const one = await place(ids[0], found[i] ?? 0, a.standIn)
      const other = await place(ids[1], found[i + 1] ?? 0, b.standIn)
      list.push(swap ? [other, one] : [one, other])
    }
  }
  return { features, matches }
}
