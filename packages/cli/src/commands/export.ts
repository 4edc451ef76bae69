import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { writeGaussianPly } from '@clipgstream/io'
import { nodeFolder, writeAtomic } from '@clipgstream/io/node'
import { type DeviceName, selectDevice } from '@clipgstream/tensor'
import { openClipStream } from '@clipgstream/trainer'
import { bytesText, type Terminal } from '../terminal.js'
import { chooseFrames } from './render.js'

interface ExportFlags {
  frames?: number[]
  out?: string
  device: DeviceName
  threads?: number
}

/** Writes all Gaussians of each frame as a 3DGS PLY. */
export async function exportFrames(terminal: Terminal, run: string, flags: ExportFlags): Promise<void> {
  using device = await selectDevice(flags.device, { ...(flags.threads && { threads: flags.threads }) })
  using player = await openClipStream(nodeFolder(run), device)
  const frames = chooseFrames(player, flags.frames)
  const out = flags.out ?? join(run, 'export')
  await mkdir(out, { recursive: true })
  const progress = terminal.progress('export', frames.length)
  let total = 0
  for (const [done, frame] of frames.entries()) {
    const cloud = await player.decodeToHost(frame)
    const bytes = writeGaussianPly(cloud, [`frame ${frame} of a clip stream`])
    await writeAtomic(join(out, `${String(frame).padStart(5, '0')}.ply`), bytes)
    total += bytes.length
    progress.update(done + 1, `frame ${frame}: ${cloud.opacities.length} Gaussians`)
  }
  progress.stop()
  terminal.line(`${frames.length} files, ${bytesText(total)}: ${out}`)
  terminal.event({ type: 'export', frames, bytes: total, out })
}
