import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { readImageSize } from '@clipgstream/io'
import { createNodeDecoder, nodeFolder } from '@clipgstream/io/node'
import { CommandError } from '../command-error.js'
import type { Terminal } from '../terminal.js'
import { createVideoWriter } from '../video-writer.js'

/** Encodes rendered views, each folder of PNGs in the order of their names. */
export async function video(
  terminal: Terminal,
  run: string,
  { rate, views }: { rate: number; views?: string[] },
): Promise<void> {
  const renders = join(run, 'test', 'renders')
  const found = await folders(renders)
  const missing = views?.find((view) => !found.includes(view))
  if (missing !== undefined) throw new CommandError(`${renders} has no view ${missing}; there are ${found.join(', ')}`)
  const out = join(run, 'test', 'videos')
  await mkdir(out, { recursive: true })
  for (const view of views ?? found) {
    const path = join(out, `${view}.mp4`)
    const frames = await encodeFolder(join(renders, view), path, rate)
    terminal.line(`${path}  ${frames} frames`)
    terminal.event({ type: 'video', view, path, frames })
  }
}

async function encodeFolder(folder: string, path: string, rate: number): Promise<number> {
  const vfs = nodeFolder(folder)
  const decoder = createNodeDecoder()
  const names = (await readdir(folder)).filter((name) => name.endsWith('.png')).sort()
  const first = names[0]
  if (first === undefined) throw new CommandError(`${folder} has no PNG images; run clipgstream render first`)
  const size = await readImageSize(vfs, first)
  if (!size) throw new CommandError(`${join(folder, first)} is not an image`)
  const { width, height } = size
  const writer = await createVideoWriter(path, { width, height, rate })
  try {
    for (const name of names) await writer.write((await decoder.decode(await vfs.read(name), name)).data)
  } catch (error) {
    await writer.abort()
    throw error
  }
  await writer.close()
  return names.length
}

async function folders(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => [])
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  if (names.length === 0) throw new CommandError(`${path} has no rendered views; run clipgstream render first`)
  return names.sort()
}
