import { IoError } from '../errors.js'
import { joinPath, normalizePath } from './path.js'
import { type ByteSource, treeVfs, type Vfs } from './vfs.js'

/** What is used of the browser's `FileSystemDirectoryHandle`. */
export interface DirectoryHandle {
  readonly kind: 'directory'
  readonly name: string
  values(): AsyncIterable<FolderEntry>
}

/** What a directory has in it; the browser's own types do not tell files from directories either. */
export interface FolderEntry {
  readonly kind: 'directory' | 'file'
  readonly name: string
}

export interface FileHandle {
  readonly kind: 'file'
  readonly name: string
  getFile(): Promise<Blob>
}

/**
 * A folder that the user picked in a browser: a `FileSystemDirectoryHandle` (from `showDirectoryPicker`) or the files of
 * `<input type="file" webkitdirectory>`, whose common first folder is taken off. Nothing is read until it is asked for.
 */
export async function browserFolder(picked: DirectoryHandle | Iterable<File>): Promise<Vfs> {
  if ('kind' in picked) {
    const files = new Map<string, ByteSource>()
    await addFolder(picked, '', files)
    return treeVfs(picked.name, files)
  }
  const list = [...picked]
  const paths = list.map((file) => normalizePath(file.webkitRelativePath || file.name))
  const root = paths[0]?.split('/')[0] ?? ''
  const shared = paths.length > 0 && paths.every((path) => path.startsWith(`${root}/`))
  const files = new Map<string, ByteSource>()
  list.forEach((file, i) => {
    const path = paths[i] ?? ''
    const clean = shared ? path.slice(root.length + 1) : path
    files.set(clean, blobSource(file, clean))
  })
  return treeVfs(shared ? root : 'picked files', files)
}

const deepest = 64

async function addFolder(folder: DirectoryHandle, path: string, files: Map<string, ByteSource>): Promise<void> {
  if (path.split('/').length > deepest) throw new IoError(`${path}: folders nest deeper than ${deepest}`)
  for await (const entry of folder.values()) {
    const inside = joinPath(path, entry.name)
    if (isDirectory(entry)) await addFolder(entry, inside, files)
    else if (isFile(entry)) files.set(inside, blobSource(await entry.getFile(), inside))
  }
}

const isDirectory = (entry: FolderEntry): entry is DirectoryHandle => entry.kind === 'directory'
const isFile = (entry: FolderEntry): entry is FileHandle => entry.kind === 'file'

/** A `Blob` or `File` as a {@link ByteSource}. */
export function blobSource(blob: Blob, name: string): ByteSource {
  return {
    name,
    size: blob.size,
    read: async (start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer()),
  }
}
