import { listFiles } from '@clipgstream/io'
import type { RunFolder } from '@clipgstream/trainer'
import { type Zippable, zipSync } from 'fflate'

/** Everything that the run has, checkpoints too, as a zip archive. Tensors hardly shrink, so they are stored. */
export async function packRun(run: RunFolder): Promise<Uint8Array<ArrayBuffer>> {
  const files: Zippable = {}
  for (const path of await listFiles(run)) files[path] = await run.read(path)
  return new Uint8Array(zipSync(files, { level: 0 }))
}
