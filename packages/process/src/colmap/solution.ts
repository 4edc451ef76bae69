import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Camera, cameraModel } from '@clipgstream/camera'
import { type ColmapModel, IoError, poseMatrix, readColmapModel } from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import { ColmapError } from '../errors.js'
import type { Calibrated } from '../types.js'

export interface Solution {
  readonly cameras: readonly Calibrated[]
  /** [N, 3] */
  readonly points: Float32Array
  readonly colors: Uint8Array
  /** Pixels, as COLMAP says. */
  readonly meanError: number
  /** What should be known before the cameras are used. */
  readonly warnings: readonly string[]
  readonly version: string
}

/** On rings of 24 cameras, exact models had 200 points and more of every camera, wrong ones 60 to 100. */
const fewPoints = 100

export interface Mapped {
  readonly path: string
  readonly cameras: readonly Calibrated[]
}

/** A model that COLMAP has made. It does not say when the disk is full: its files are then shorter. */
export async function readMade(folder: string, path: string): Promise<ColmapModel> {
  try {
    return await readColmapModel(nodeFolder(folder), path)
  } catch (cause) {
    if (!(cause instanceof IoError)) throw cause
    throw new ColmapError(
      `COLMAP wrote a model that is not whole (${cause.message}). Is the disk full? Free some space and run the same command again`,
      [],
      { cause },
    )
  }
}

/**
 * The models that the mapper made in `from`, those with most cameras first; at least one. `files`: the image of each camera.
 */
export async function mappedModels(
  folder: string,
  files: ReadonlyMap<string, string>,
  from = 'sparse',
): Promise<[Mapped, ...Mapped[]]> {
  const names = (await readdir(join(folder, from))).filter((name) => /^\d+$/.test(name)).sort()
  const models: Mapped[] = []
  for (const name of names) {
    const path = `${from}/${name}`
    models.push({ path, cameras: placed(await readMade(folder, path), files) })
  }
  const [best, ...others] = models.sort((a, b) => b.cameras.length - a.cameras.length)
  if (!best || best.cameras.length === 0) throw new ColmapError(noModel(files.size))
  return [best, ...others]
}

export async function readSolution(
  folder: string,
  path: string,
  files: ReadonlyMap<string, string>,
): Promise<Omit<Solution, 'version'>> {
  const model = await readMade(folder, path)
  const counts = pointsOfImages(model)
  const names = new Map([...model.images.values()].map(({ id, name }) => [name, id]))
  const weak = [...files].flatMap(([name, file]) => {
    const count = counts.get(names.get(file) ?? -1) ?? fewPoints
    return count < fewPoints ? [`${name} (${count})`] : []
  })
  const warning =
    `few points hold ${weak.join(', ')}, where ${fewPoints} and more are wanted: their poses may be off by pixels, or wrong; ` +
    'larger images help, or more moments (--colmap-frames)'
  return {
    warnings: weak.length > 0 ? [warning] : [],
    cameras: placed(model, files),
    points: Float32Array.from(model.points3D?.positions ?? []),
    colors: Uint8Array.from(model.points3D?.colors ?? []),
    meanError: meanError(model),
  }
}

/** Of the points, in pixels. */
export function meanError({ points3D }: ColmapModel): number {
  if (!points3D || points3D.count === 0) return 0
  return points3D.errors.reduce((sum, value) => sum + value, 0) / points3D.count
}

/** Points that each image sees, by its id. */
export function pointsOfImages({ images, points3D }: ColmapModel): Map<number, number> {
  const counts = new Map([...images.keys()].map((id) => [id, 0]))
  for (const id of points3D?.trackImageIds ?? []) counts.set(id, (counts.get(id) ?? 0) + 1)
  return counts
}

export function noModel(images: number): string {
  return (
    `COLMAP found no two of the ${images} cameras with enough in common to begin. Neighbouring cameras must see the same ` +
    'texture, at most some 30 degrees apart; sharper or larger images, --colmap-frames for more moments, or --shared-lens for equal cameras help'
  )
}

/** Which cameras are missing, or null when none is. */
export function missingCameras(models: readonly Mapped[], names: readonly string[]): string | null {
  const [best, ...others] = models
  const missing = names.filter((name) => !best?.cameras.some((camera) => camera.name === name))
  if (missing.length === 0) return null
  const parts =
    others.length > 0
      ? ` It found ${models.length} models that do not hang together, of ${models.map(({ cameras }) => cameras.length).join(', ')} cameras.`
      : ''
  return (
    `COLMAP could not place ${missing.length} of ${names.length} cameras: ${missing.join(', ')}.${parts} ` +
    'They see too little of what the others see, or are blurred or dark'
  )
}

/** Nearer than this share of the usual distance to the next camera, and turned less, two cameras are in one place. */
const samePlace = 0.1
const sameDirection = Math.cos((10 * Math.PI) / 180)

/**
 * A scene that looks alike from several sides lets a rig be folded onto itself, with small reprojection errors: then most cameras
 * stand where another does. Pairs of such cameras, or none where fewer than a third of all are in one.
 */
export function foldedCameras(cameras: readonly Calibrated[]): (readonly [string, string])[] {
  const places = cameras.map(({ name, worldToCamera: m }) => ({
    name,
    centre: [0, 1, 2].map((axis) => -(m[axis]! * m[3]! + m[4 + axis]! * m[7]! + m[8 + axis]! * m[11]!)),
    forward: m.slice(8, 11),
  }))
  type Place = (typeof places)[number]
  const distance = (a: Place, b: Place) => Math.hypot(...a.centre.map((value, axis) => value - (b.centre[axis] ?? 0)))
  const turned = (a: Place, b: Place) => a.forward.reduce((sum, value, axis) => sum + value * (b.forward[axis] ?? 0), 0)
  // Twins have each other nearest; what is usual is the distance to the others.
  const usual = places
    .map(
      (a) =>
        places
          .filter((b) => b !== a)
          .map((b) => distance(a, b))
          .sort((x, y) => x - y)[1] ?? 0,
    )
    .sort((x, y) => x - y)[Math.floor(places.length / 2)]
  const pairs = places.flatMap((a, i) =>
    places
      .slice(i + 1)
      .filter((b) => distance(a, b) < samePlace * (usual ?? 0) && turned(a, b) > sameDirection)
      .map((b) => [a.name, b.name] as const),
  )
  return new Set(pairs.flat()).size * 3 >= cameras.length ? pairs : []
}

/** Each camera whose image has a pose. */
function placed(model: ColmapModel, files: ReadonlyMap<string, string>): Calibrated[] {
  const byName = new Map([...model.images.values()].map((image) => [image.name, image]))
  return [...files].flatMap(([name, file]) => {
    const found = byName.get(file)
    const lens = found && model.cameras.get(found.cameraId)
    if (!lens) return []
    const { width, height, params } = lens
    const camera: Camera = { model: cameraModel(lens.model).name, width, height, params: [...params] }
    return [{ name, camera, worldToCamera: poseMatrix(found.pose) }]
  })
}
