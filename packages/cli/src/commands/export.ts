import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { orbitPath, samplePath, spiralPath, throughPath } from '@clipgstream/camera'
import { type GaussianCloud, writeCameraPath, writeGaussianPly, writeSpz } from '@clipgstream/io'
import { nodeFolder, writeAtomic, writeSplats } from '@clipgstream/io/node'
import type { DeviceName } from '@clipgstream/tensor'
import { openClipStream, readManifest } from '@clipgstream/trainer'
import { CommandError } from '../command-error.js'
import { openDevice } from '../device.js'
import type { ExportFlags, ExportFormat } from '../export-options.js'
import { bytesText, type Terminal } from '../terminal.js'
import { chooseFrames } from './render.js'

type Flags = ExportFlags & { device: DeviceName; threads?: number }

/** Writes all Gaussians of each frame for other viewers, or a camera path for Blender's add-on. */
export async function exportFrames(terminal: Terminal, run: string, flags: Flags): Promise<void> {
  if (flags.path) return exportPath(terminal, run, flags.path, flags)
  using device = await openDevice(flags.device, flags.threads)
  using player = await openClipStream(nodeFolder(run), device)
  const frames = chooseFrames(player, flags.frames)
  const out = flags.out ?? join(run, 'export')
  const { format } = flags
  await mkdir(out, { recursive: true })
  const progress = terminal.progress('export', frames.length)
  let total = 0
  for (const [done, frame] of frames.entries()) {
    const cloud = await player.decodeToHost(frame)
    const bytes = await encode(cloud, format, frame)
    await writeAtomic(join(out, `${String(frame).padStart(5, '0')}.${format}`), bytes)
    total += bytes.length
    progress.update(done + 1, `frame ${frame}: ${cloud.opacities.length} Gaussians`)
  }
  progress.stop()
  terminal.line(`${frames.length} files, ${bytesText(total)}: ${out}`)
  terminal.event({ type: 'export', format, frames, bytes: total, out })
}

async function encode(cloud: GaussianCloud, format: ExportFormat, frame: number): Promise<Uint8Array> {
  if (format === 'ply') return writeGaussianPly(cloud, [`frame ${frame} of a clip stream`])
  return format === 'spz' ? writeSpz(cloud) : writeSplats(cloud, format)
}

async function exportPath(
  terminal: Terminal,
  run: string,
  kind: NonNullable<Flags['path']>,
  flags: Flags,
): Promise<void> {
  const manifest = await readManifest(nodeFolder(run))
  if (!manifest) throw new CommandError(`${run} has no clipstream.json; train or import a stream first`)
  const views = manifest.data.cameras.map(({ view }) => view)
  if (views.length === 0) throw new CommandError(`${run} has no cameras to lead a path by; import it with --dataset`)
  const closed = kind === 'orbit'
  const path = { orbit: orbitPath, spiral: spiralPath, through: throughPath }[kind](views)
  const steps = flags.steps ?? manifest.data.frames
  const { text, notes } = writeCameraPath(samplePath(path, steps, { closed }), { fps: flags.rate, closed })
  const out = flags.out ?? join(run, 'export')
  await mkdir(out, { recursive: true })
  const file = join(out, 'camera_path.json')
  await writeAtomic(file, new TextEncoder().encode(text))
  for (const note of notes) terminal.line(`note: ${note}`)
  terminal.line(`${steps} cameras: ${file}`)
  terminal.event({ type: 'export-path', path: kind, cameras: steps, notes, out: file })
}
