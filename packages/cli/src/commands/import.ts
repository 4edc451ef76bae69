import { openDataset } from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import { importedFingerprint, importOriginal, readManifest } from '@clipgstream/trainer'
import { openRunFolder } from '@clipgstream/trainer/node'
import { CommandError } from '../command-error.js'
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
  const there = await readManifest(nodeFolder(run))
  if (there && there.data.fingerprint !== importedFingerprint)
    throw new CommandError(`${run} holds a clip stream that was trained; choose another folder`)
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
