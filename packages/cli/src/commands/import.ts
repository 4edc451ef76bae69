import { openDataset } from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import { importOriginal } from '@clipgstream/trainer'
import { openRunFolder } from '@clipgstream/trainer/node'
import type { Terminal } from '../terminal.js'

interface ImportFlags {
  dataset?: string
  clipSize: number
  wrapping?: boolean
}

/** Turns the original's checkpoint into a clip stream. */
export async function importCheckpoint(
  terminal: Terminal,
  history: string,
  run: string,
  flags: ImportFlags,
): Promise<void> {
  const { clipSize, wrapping = false } = flags
  const dataset = flags.dataset === undefined ? null : await openDataset(nodeFolder(flags.dataset), { clipSize })
  const { manifest, skipped } = await importOriginal(nodeFolder(history), await openRunFolder(run), {
    clipSize,
    indexing: wrapping ? 'wrapping' : 'exact',
    ...(dataset && { cameras: dataset.cameras.map(({ name, view, test }) => ({ name, view, test })) }),
  })
  for (const clip of skipped) terminal.line(`warning: clip ${clip} has no FDHash_${clip}.pth and is left out`)
  terminal.line(`${manifest.clips.length} clips: ${run}`)
  terminal.event({ type: 'import', clips: manifest.clips.map(({ index }) => index), skipped, run })
}
