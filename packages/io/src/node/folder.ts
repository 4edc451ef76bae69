import { constants } from 'node:fs'
import { access, open, readdir, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { MissingFileError } from '../errors.js'
import { normalizePath } from '../vfs/path.js'
import { checkRange, sortEntries, type Vfs, type VfsEntry } from '../vfs/vfs.js'
import { isLeftover } from './atomic.js'

/** One read call takes at most 2 GiB. */
const mostAtOnce = 2 ** 30

/** A folder on disk. Links are followed. Leftovers of killed writes are not listed. */
export function nodeFolder(path: string): Vfs {
  const root = resolve(path)
  const label = basename(root) || root
  const at = (inside: string) => join(root, normalizePath(inside))
  const missing = (inside: string, cause: unknown): never => {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      const clean = normalizePath(inside)
      throw new MissingFileError(root, clean === '' ? root : clean, { cause })
    }
    throw cause
  }
  const readPart = async (inside: string, start: number, end: number): Promise<Uint8Array> => {
    checkRange(start, end)
    const handle = await open(at(inside), 'r').catch((cause) => missing(inside, cause))
    try {
      const info = await handle.stat()
      if (!info.isFile()) throw new MissingFileError(root, normalizePath(inside))
      const bytes = new Uint8Array(Math.max(0, Math.min(end, info.size) - start))
      for (let done = 0; done < bytes.length; ) {
        const length = Math.min(bytes.length - done, mostAtOnce)
        const { bytesRead } = await handle.read(bytes, done, length, start + done)
        if (bytesRead === 0) return bytes.subarray(0, done)
        done += bytesRead
      }
      return bytes
    } finally {
      await handle.close()
    }
  }
  return {
    label,
    async list(folder) {
      const entries = await readdir(at(folder), { withFileTypes: true }).catch((cause) => missing(folder, cause))
      const found: VfsEntry[] = []
      for (const entry of entries) {
        if (isLeftover(entry.name)) continue
        const link = entry.isSymbolicLink() ? await stat(join(at(folder), entry.name)).catch(() => null) : entry
        if (link?.isDirectory()) found.push({ name: entry.name, kind: 'folder' })
        else if (link?.isFile()) found.push({ name: entry.name, kind: 'file' })
      }
      return sortEntries(found)
    },
    async exists(inside) {
      const path = at(inside)
      return access(path, constants.F_OK).then(
        () => true,
        () => false,
      )
    },
    async size(inside) {
      const info = await stat(at(inside)).catch((cause) => missing(inside, cause))
      if (!info.isFile()) throw new MissingFileError(root, normalizePath(inside))
      return info.size
    },
    read: async (inside) => readPart(inside, 0, Number.MAX_SAFE_INTEGER),
    readRange: readPart,
  }
}
