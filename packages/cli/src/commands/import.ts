import { openDataset } from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import { importOriginal } from '@clipgstream/trainer'
import { openRunFolder } from '@clipgstream/trainer/node'
import type { Terminal } from '../terminal.js'

interface ImportFlags {
  dataset?: string
  clipSize: number
  indexing: 'auto' | 'exact' | 'wrapping'
}

/** Turns the original's checkpoint into a clip stream. */
export async function importCheckpoint(
  terminal: Terminal,
  history: string,
  run: string,
  flags: ImportFlags,
): Promise<void> {
  const { clipSize, indexing } = flags
  const dataset = flags.dataset === undefined ? null : await openDataset(nodeFolder(flags.dataset), { clipSize })
  const { manifest, skipped, indexings } = await importOriginal(nodeFolder(history), await openRunFolder(run), {
    clipSize,
    ...(indexing !== 'auto' && { indexing }),
    ...(dataset && { cameras: dataset.cameras.map(({ name, view, test }) => ({ name, view, test })) }),
  })
  for (const clip of skipped) terminal.line(`warning: clip ${clip} has no FDHash_${clip}.pth and is left out`)
  for (const { clip, indexing, found, reason } of indexings) {
    if (found && found !== indexing)
      terminal.line(
        `warning: the table of clip ${clip} was trained with indexing ${found}, not ${indexing} (${reason})`,
      )
    else terminal.line(`clip ${clip}: indexing ${indexing} ${found ? `(${reason})` : `as told: ${reason}`}`)
  }
  terminal.line(`${manifest.clips.length} clips: ${run}`)
  const clips = manifest.clips.map(({ index }) => index)
  terminal.event({ type: 'import', clips, skipped, indexings, run })
}
