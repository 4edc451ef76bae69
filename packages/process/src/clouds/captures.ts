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

/** Names, views and pictures of a frame. */
export async function capturesOf(
  context: CloudContext,
  views: readonly DatasetView[],
  frame: number,
): Promise<(Capture & { readonly name: string })[]> {
  const taken = views.flatMap(({ name, view }) => {
    const path = context.images.get(`${name} ${frame}`)
    return path === undefined ? [] : [{ name, view, path }]
  })
  if (taken.length < fewestViews)
    throw new ProcessError(`frame ${frame} has images of ${taken.length} cameras; ${fewestViews} or more are needed`)
  return mapOf(
    taken,
    decodeWidth,
    async ({ name, view, path }) => ({ name, view, image: await readImage(context, path) }),
    context.workspace.signal,
  )
}
