import { mkdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { orbitPath, samplePath, spiralPath, throughPath, type View } from '@clipgstream/camera'
import { readCameraPath } from '@clipgstream/io'
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
  cameraPath?: string
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
  const still = !flags.path && !flags.cameraPath
  const out = flags.out ?? join(run, flags.views === 'train' && still ? 'train' : 'test', 'renders')
  const shots = flags.cameraPath
    ? await fileShots(flags.cameraPath, frames)
    : flags.path
      ? pathShots(player, flags.path, frames, flags.steps)
      : viewShots(player, flags.views, frames, flags.frames !== undefined)
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

/** Cameras with images of some frames only are drawn at these, unless frames were asked for. */
function viewShots(player: ClipPlayer, views: string, frames: readonly number[], asked: boolean): Shot[] {
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
  return chosen.flatMap(({ name, view, frames: own }) =>
    frames
      .filter((frame) => asked || (own?.includes(frame) ?? true))
      .map((frame) => ({ folder: name, file: `${String(frame).padStart(5, '0')}.png`, view, frame })),
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

/** The views of a camera path file, in a folder of its name. Errors name the file and its field. */
async function fileShots(path: string, frames: readonly number[]): Promise<Shot[]> {
  const bytes = await readFile(path).catch((cause) => {
    throw new CommandError(`the camera path ${path} cannot be read: ${cause instanceof Error ? cause.message : cause}`)
  })
  const file = readCameraPath(new Uint8Array(bytes), path)
  const folder = basename(path).replace(/\.json$/i, '') || 'path'
  return file.views.map((view, i) => {
    const time = file.times?.[i]
    if (time !== undefined && !(time >= 0 && time <= 1)) {
      throw new CommandError(
        `${path}: camera_path[${i}].render_time: expected a time in [0, 1] of the frames, got ${time}`,
      )
    }
    return { folder, file: `${String(i).padStart(5, '0')}.png`, view, frame: frameAt(time, i, frames) }
  })
}

/** The frame of the i-th view: at its time in the file where it has one, else they go on as with other paths. */
function frameAt(time: number | undefined, i: number, frames: readonly number[]): number {
  const at = time === undefined ? i % frames.length : Math.round(time * (frames.length - 1))
  return frames[at] ?? 0
}
