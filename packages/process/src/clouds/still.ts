import { encodePng } from '@clipgstream/io/node'
import { type Capture, matchLight, motionMask, type StillPicture, stillPicture } from '@clipgstream/stereo'
import type { DatasetView } from '../images.js'
import { mapOf } from '../steps/pool.js'
import { workFolder } from '../steps/step.js'
import { type CloudContext, capturesOf, decodeWidth, readImage } from './captures.js'

/** Where what stands still is kept. */
export const stillFolder = `${workFolder}/clouds/still`
/** Frames that the still picture of a camera is the median of, at most: what it costs does not grow with the capture. */
const mostFrames = 21
/** With fewer there is no telling what stands still. */
export const fewestFrames = 5

/** The still picture of a camera and where it is not to be trusted; files below the dataset's folder. */
export interface StillView extends DatasetView {
  readonly picture: string
  readonly unsure: string
  /** Frames of which it is made. */
  readonly frames: readonly number[]
}

/** Cameras that have images, and the frames whose median shows what stands still. */
export function planStills(
  { images }: CloudContext,
  views: readonly DatasetView[],
  frames: readonly number[],
): StillView[] {
  return views.flatMap(({ name, view }) => {
    const own = frames.filter((frame) => images.has(`${name} ${frame}`))
    if (own.length === 0) return []
    const count = Math.min(own.length, mostFrames)
    const chosen = Array.from({ length: count }, (_, i) => own[Math.floor(((i + 0.5) * own.length) / count)] ?? 0)
    const [picture, unsure] = [`${stillFolder}/${name}.png`, `${stillFolder}/${name}-unsure.png`]
    return [{ name, view, picture, unsure, frames: chosen }]
  })
}

/** Writes the still picture of a camera. */
export async function makeStill(context: CloudContext, still: StillView): Promise<void> {
  const paths = still.frames.flatMap((frame) => context.images.get(`${still.name} ${frame}`) ?? [])
  const frames = await mapOf(paths, decodeWidth, (path) => readImage(context, path), context.workspace.signal)
  const { image, unsure } = stillPicture(frames)
  if (frames.length < fewestFrames) unsure.fill(255)
  await context.workspace.write(still.picture, await encodePng(image))
  const { width, height } = image
  await context.workspace.write(still.unsure, await encodePng({ width, height, data: spread(unsure) }))
}

/** Three equal channels. */
function spread(mask: Uint8Array): Uint8Array {
  const data = new Uint8Array(3 * mask.length)
  for (let i = 0, at = 0; i < mask.length; i++, at += 3) data[at] = data[at + 1] = data[at + 2] = mask[i]!
  return data
}

/** The first of three channels. */
function gathered(data: Uint8Array): Uint8Array {
  const mask = new Uint8Array(data.length / 3)
  for (let i = 0; i < mask.length; i++) mask[i] = data[3 * i]!
  return mask
}

/** Still pictures by the name of their camera. */
export type Stills = ReadonlyMap<string, StillPicture & DatasetView>

export async function readStills(context: CloudContext, stills: readonly StillView[]): Promise<Stills> {
  const read = await mapOf(
    stills,
    decodeWidth,
    async ({ name, view, picture, unsure }) => {
      const mask = gathered((await readImage(context, unsure)).data)
      return { name, view, image: await readImage(context, picture), unsure: mask }
    },
    context.workspace.signal,
  )
  return new Map(read.map((still) => [still.name, still]))
}

function inverted(mask: Uint8Array): Uint8Array {
  const other = new Uint8Array(mask.length)
  for (let i = 0; i < mask.length; i++) other[i] = 255 - mask[i]!
  return other
}

/** What stands still, as one moment. */
export function stillCaptures(stills: Stills): Capture[] {
  return [...stills.values()].map(({ view, image, unsure }) => ({
    view,
    image,
    mask: inverted(unsure),
  }))
}

/** A frame with masks of what is not as in the still pictures. */
export async function movingCaptures(
  context: CloudContext,
  stills: Stills,
  frame: number,
): Promise<{ captures: Capture[]; share: number }> {
  const cameras = [...stills.values()]
  const captures = await capturesOf(context, cameras, frame, ({ image: still, unsure }, image) => {
    const mask = motionMask(matchLight(image, still), still)
    for (let i = 0; i < mask.length; i++) mask[i] = mask[i]! | unsure[i]!
    return mask
  })
  return { captures, share: shareOf(captures.map(({ mask }) => mask)) }
}

/** The part of pixels that are set, all where there is no mask. */
export function shareOf(masks: readonly (Uint8Array | undefined)[]): number {
  const shares = masks.map((mask) => {
    if (!mask) return 1
    let set = 0
    for (let i = 0; i < mask.length; i++) if (mask[i] !== 0) set++
    return set / mask.length
  })
  return shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length)
}
