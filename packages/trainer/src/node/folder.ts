import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { normalizePath } from '@clipgstream/io'
import { nodeFolder, removeLeftovers, writeAtomic } from '@clipgstream/io/node'
import type { RunFolder } from '../stream/run-folder.js'

/** A run on disk; the folder is made when it is not there, and what killed writers left in it is removed. */
export async function openRunFolder(path: string): Promise<RunFolder> {
  await mkdir(path, { recursive: true })
  await removeLeftovers(path)
  return {
    ...nodeFolder(path),
    write: (file, bytes) => writeAtomic(join(path, normalizePath(file)), bytes),
    remove: (file) => rm(join(path, normalizePath(file)), { force: true }),
  }
}
