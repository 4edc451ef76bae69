import { MissingFileError, OptionError } from '../errors.js'
import { compareNatural, joinPath, normalizePath } from './path.js'

export interface VfsEntry {
  readonly name: string
  readonly kind: 'file' | 'folder'
}

/**
 * A folder of files that can only be read: on disk, in a zip, behind a URL, picked in a browser or in memory. Paths are
 * relative, with forward slashes; one that could leave the folder is a `PathError`. A path that is not there is a
 * `MissingFileError`.
 */
export interface Vfs {
  /** What to call this source in messages. */
  readonly label: string
  /** Files and folders directly in `folder` ('' is the root), by name in natural order. */
  list(folder: string): Promise<VfsEntry[]>
  /** Whether there is a file or folder of this path. */
  exists(path: string): Promise<boolean>
  /** Bytes of a file. */
  size(path: string): Promise<number>
  read(path: string): Promise<Uint8Array>
  /** Bytes [start, end) of a file; less where the file ends before. */
  readRange(path: string, start: number, end: number): Promise<Uint8Array>
}

/** One file that can be read in pieces. */
export interface ByteSource {
  readonly name: string
  readonly size: number
  /** Bytes [start, end); `end` is at most `size`. */
  read(start: number, end: number): Promise<Uint8Array>
}

/** A file of a source as a {@link ByteSource}. */
export async function fileSource(vfs: Vfs, path: string): Promise<ByteSource> {
  const size = await vfs.size(path)
  return { name: path, size, read: (start, end) => vfs.readRange(path, start, end) }
}

export function bytesSource(bytes: Uint8Array, name: string): ByteSource {
  return { name, size: bytes.length, read: async (start, end) => bytes.subarray(start, end) }
}

/** A folder of `vfs` as a source of its own. */
export function subfolder(vfs: Vfs, folder: string): Vfs {
  const inside = (path: string) => joinPath(folder, normalizePath(path))
  return {
    label: `${vfs.label}/${normalizePath(folder)}`,
    list: async (path) => vfs.list(inside(path)),
    exists: async (path) => vfs.exists(inside(path)),
    size: async (path) => vfs.size(inside(path)),
    read: async (path) => vfs.read(inside(path)),
    readRange: async (path, start, end) => vfs.readRange(inside(path), start, end),
  }
}

/** Paths of all files below `folder`, depth first, in natural order. */
export async function listFiles(vfs: Vfs, folder = ''): Promise<string[]> {
  const files: string[] = []
  const walk = async (path: string): Promise<void> => {
    for (const { name, kind } of await vfs.list(path)) {
      if (kind === 'file') files.push(joinPath(path, name))
      else await walk(joinPath(path, name))
    }
  }
  await walk(folder)
  return files
}

/** A source made of a flat list of files. */
export function treeVfs(label: string, files: ReadonlyMap<string, ByteSource>): Vfs {
  const folders = new Map<string, Map<string, VfsEntry['kind']>>([['', new Map()]])
  for (const path of files.keys()) {
    const parts = path.split('/')
    for (let i = 0; i < parts.length; i++) {
      const folder = parts.slice(0, i).join('/')
      const entries = folders.get(folder) ?? new Map<string, VfsEntry['kind']>()
      folders.set(folder, entries)
      const name = parts[i] ?? ''
      entries.set(name, i + 1 === parts.length ? (entries.get(name) ?? 'file') : 'folder')
    }
  }
  const find = (path: string): ByteSource => {
    const clean = normalizePath(path)
    const file = files.get(clean)
    if (!file) throw new MissingFileError(label, clean)
    return file
  }
  return {
    label,
    async list(folder) {
      const clean = normalizePath(folder)
      const entries = folders.get(clean)
      if (!entries) throw new MissingFileError(label, clean)
      return sortEntries([...entries].map(([name, kind]) => ({ name, kind })))
    },
    async exists(path) {
      const clean = normalizePath(path)
      return files.has(clean) || folders.has(clean)
    },
    async size(path) {
      return find(path).size
    },
    async read(path) {
      const file = find(path)
      return file.read(0, file.size)
    },
    async readRange(path, start, end) {
      const file = find(path)
      checkRange(start, end)
      return file.read(Math.min(start, file.size), Math.min(end, file.size))
    },
  }
}

export function sortEntries(entries: VfsEntry[]): VfsEntry[] {
  return entries.sort((a, b) => compareNatural(a.name, b.name))
}

export function checkRange(start: number, end: number): void {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
    throw new OptionError('range', `[${start}, ${end})`, 'whole numbers with 0 <= start <= end')
  }
}
