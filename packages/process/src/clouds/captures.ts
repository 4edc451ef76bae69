import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RgbImage } from '@clipgstream/io'
import { createNodeDecoder } from '@clipgstream/io/node'
import type { Capture } from '@clipgstream/stereo'
import type { Device } from '@clipgstream/tensor'
import { ProcessError } from '../errors.js'
import type { DatasetView } from '../images.js'
import type { Source } from '../source.js'
import { mapOf } from '../steps/pool.js'
import type { Workspace } from '../steps/step.js'
import type { ProcessOptions } from '../types.js'

/** What clouds are made of. */
export interface CloudContext {
  readonly workspace: Workspace
  readonly source: Source
  readonly views: readonly DatasetView[]
  /** Image of a view and frame below the dataset's folder, by `NAME FRAME`. */
  readonly images: ReadonlyMap<string, string>
  readonly testCameras: ReadonlySet<string>
  readonly options: ProcessOptions
  /** The source's frame that became a frame of the dataset. */
  sourceFrame(frame: number): number
  /** Opened when it is first needed. */
  device(): Promise<Device>
}

/** Cameras that stereo needs. */
export const fewestViews = 3

const decoder = createNodeDecoder()
/** Images that are best read at a time. */
export const decodeWidth = decoder.concurrency ?? 1

/** Cameras that clouds may be made from. */
export function stereoViews({ views, testCameras, options }: CloudContext): DatasetView[] {
  return views.filter(({ name }) => options.stereoAllCameras === true || !testCameras.has(name))
}

/** A file below the dataset's folder. */
export async function readImage({ workspace }: CloudContext, path: string): Promise<RgbImage> {
  return decoder.decode(new Uint8Array(await readFile(join(workspace.folder, path))), path)
}

/** Views and pictures of a frame, and masks of what a camera's picture gives, if asked for. */
export async function capturesOf<Camera extends DatasetView>(
  context: CloudContext,
  cameras: readonly Camera[],
  frame: number,
  maskOf?: (camera: Camera, image: RgbImage) => Uint8Array,
): Promise<Capture[]> {
  const taken = cameras.flatMap((camera) => {
    const path = context.images.get(`${camera.name} ${frame}`)
    return path === undefined ? [] : [{ camera, path }]
  })
  if (taken.length < fewestViews)
    throw new ProcessError(
      `frame ${frame} has images of ${taken.length} cameras that are not for testing; clouds need ${fewestViews} or more: ` +
        'leave the frame out (--frames), or choose --clouds random',
    )
  return mapOf(
    taken,
    decodeWidth,
    async ({ camera, path }) => {
      const { view } = camera
      const image = await readImage(context, path)
      return maskOf ? { view, image, mask: maskOf(camera, image) } : { view, image }
    },
    context.workspace.signal,
  )
}

/**
 * Reads frames, and the next one while something else is done with one: what is read of two frames is in memory. A fault
 * of the next one is told when its turn comes.
 */
export function readAhead<T>(read: (frame: number) => Promise<T>): (frame: number, next?: number) => Promise<T> {
  let begun: { readonly frame: number; readonly result: Promise<T> } | null = null
  const begin = (frame: number) => {
    const result = read(frame)
    result.catch(() => {})
    begun = { frame, result }
  }
  return async (frame, next) => {
    const result = await (begun?.frame === frame ? begun.result : read(frame))
    begun = null
    if (next !== undefined) begin(next)
    return result
  }
}
