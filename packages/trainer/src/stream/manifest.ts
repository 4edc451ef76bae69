import type { Vfs } from '@clipgstream/io'
import { ClipStreamError } from '../errors.js'
import {
  type ClipEntry,
  type ClipRecord,
  type ClipStreamManifest,
  encodeJson,
  entryPath,
  manifestPath,
  parseManifest,
  parseRecord,
} from './format.js'
import type { RunFolder } from './run-folder.js'

/** Null when there is no stream yet. */
export async function readManifest(vfs: Vfs): Promise<ClipStreamManifest | null> {
  return (await vfs.exists(manifestPath)) ? parseManifest(await vfs.read(manifestPath)) : null
}

/** What the run says of a finished clip, or null. */
export async function readRecord(vfs: Vfs, clip: number): Promise<ClipRecord | null> {
  const path = entryPath(clip)
  if (!(await vfs.exists(path))) return null
  const entry = parseRecord(path, await vfs.read(path))
  if (entry.index !== clip) throw new ClipStreamError(path, `describes clip ${entry.index}`)
  return entry
}

/**
 * Writes `clipstream.json` with an entry for every finished clip. Each clip has its entry in a file of its own, and the
 * table is written again as long as such files appear, so that processes that train clips of one run side by side do not
 * lose each other's entries.
 */
export async function refreshManifest(
  run: RunFolder,
  header: Omit<ClipStreamManifest, 'clips'>,
): Promise<ClipStreamManifest> {
  for (;;) {
    const clips = await finishedClips(run)
    const manifest = { ...header, clips }
    await run.write(manifestPath, encodeJson(manifest))
    if ((await finishedClips(run)).length === clips.length) return manifest
  }
}

async function finishedClips(vfs: Vfs): Promise<ClipEntry[]> {
  if (!(await vfs.exists('clips'))) return []
  const entries: ClipEntry[] = []
  for (const { name, kind } of await vfs.list('clips')) {
    const record = kind === 'folder' && /^\d{5}$/.test(name) ? await readRecord(vfs, Number(name)) : null
    if (!record) continue
    const { config: _, ...entry } = record
    entries.push(entry)
  }
  return entries.sort((a, b) => a.index - b.index)
}
