import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { orbitPath, samplePath, spiralPath, throughPath, type View } from '@clipgstream/camera'
import { encodePng, nodeFolder, writeAtomic } from '@clipgstream/io/node'
import type { DeviceName } from '@clipgstream/tensor'
import { type ClipPlayer, openClipStream } from '@clipgstream/trainer'
import { CommandError } from '../command-error.js'
import { openDevice } from '../device.js'
import type { ImageSize } from '../options.js'
import { durationText, type Terminal } from '../terminal.js'
import { fpsTest } from './fps-test.js'

export interface RenderFlags {
  views: string
  path?: 'orbit' | 'spiral' | 'through'
  steps?: number
  frames?: number[]
  out?: string
  fpsTest?: boolean
  size?: readonly ImageSize[]
  draws?: number
  device: DeviceName
  threads?: number
}

/** One image to draw. */
export interface Shot {
  folder: string
  file: string
  view: View
  frame: number
}

/** Draws views of a clip stream as PNG. Images that exist are drawn again. */
export async function render(terminal: Terminal, run: string, flags: RenderFlags): Promise<void> {
  using device = await openDevice(flags.device, flags.threads)
  using player = await openClipStream(nodeFolder(run), device)
  const frames = chooseFrames(player, flags.frames)
  const out = flags.out ?? join(run, flags.views === 'train' && !flags.path ? 'train' : 'test', 'renders')
  const shots = flags.path ? pathShots(player, flags.path, frames, flags.steps) : viewShots(player, flags.views, frames)
  if (flags.fpsTest) {
    const { size, draws } = flags
    await fpsTest(terminal, player, shots, { ...(size && { sizes: size }), ...(draws && { draws }) })
    return
  }
  for (const folder of new Set(shots.map((shot) => shot.folder))) await mkdir(join(out, folder), { recursive: true })
  const progress = terminal.progress('render', shots.length)
  const started = performance.now()
  // Frame by frame, so that a clip is loaded once.
  shots.sort((a, b) => a.frame - b.frame)
  for (const [done, { folder, file, view, frame }] of shots.entries()) {
    using rendered = await player.render(view, frame)
    const { width, height } = view
    const data = await rendered.image.read()
    await writeAtomic(join(out, folder, file), await encodePng({ width, height, data: new Float32Array(data) }))
    progress.update(done + 1, `frame ${frame}`)
  }
  progress.stop()
  const seconds = (performance.now() - started) / 1000
  terminal.line(`${shots.length} images in ${durationText(seconds)}: ${out}`)
  terminal.event({ type: 'render', images: shots.length, seconds, out })
}

export function chooseFrames(player: ClipPlayer, wanted: readonly number[] | undefined): number[] {
  const { frames } = player
  const missing = wanted?.find((frame) => !frames.includes(frame))
  if (missing !== undefined) {
    throw new CommandError(
      `the run has no frame ${missing}; it has ${frames.at(0)} to ${frames.at(-1)}, ${frames.length} in all`,
    )
  }
  return wanted ? [...wanted] : frames
}

function viewShots(player: ClipPlayer, views: string, frames: readonly number[]): Shot[] {
  const { cameras } = player.manifest.data
  const names = views.split(',')
  const chosen =
    views === 'test' || views === 'train'
      ? cameras.filter(({ test }) => test === (views === 'test'))
      : names.map((name) => {
          const camera = cameras.find((known) => known.name === name)
          if (camera) return camera
          throw new CommandError(
            `the run has no camera ${name}; it has ${cameras.map((known) => known.name).join(', ')}`,
          )
        })
  if (chosen.length === 0) throw new CommandError(`the run has no ${views} cameras; name some with --views`)
  return chosen.flatMap(({ name, view }) =>
    frames.map((frame) => ({ folder: name, file: `${String(frame).padStart(5, '0')}.png`, view, frame })),
  )
}

/** Time goes on from image to image, and begins again when the path is longer than the frames. */
function pathShots(
  player: ClipPlayer,
  kind: 'orbit' | 'spiral' | 'through',
  frames: readonly number[],
  steps = frames.length,
): Shot[] {
  const views = player.manifest.data.cameras.map(({ view }) => view)
  const path = { orbit: orbitPath, spiral: spiralPath, through: throughPath }[kind](views)
  return samplePath(path, steps, { closed: kind === 'orbit' }).map((view, i) => ({
    folder: kind,
    file: `${String(i).padStart(5, '0')}.png`,
    view,
    frame: frames[i % frames.length] ?? 0,
  }))
}
