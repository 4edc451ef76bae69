import { memoryFolder, type Vfs } from '@clipgstream/io'

/** Where a run lives: a source of files that can also be written. Paths are relative, with forward slashes. */
export interface RunFolder extends Vfs {
  /** All or nothing: a reader sees the old file or the new one, also after a crash. */
  write(path: string, bytes: Uint8Array): Promise<void>
  /** Removes a file; nothing happens when it is not there. */
  remove(path: string): Promise<void>
}

/** A run in memory: for tests, and for pages that train without a disk. */
export function createMemoryRun(files: Map<string, Uint8Array> = new Map()): RunFolder {
  const now = () => memoryFolder(files)
  return {
    label: 'memory',
    list: (folder) => now().list(folder),
    exists: (path) => now().exists(path),
    size: (path) => now().size(path),
    read: (path) => now().read(path),
    readRange: (path, start, end) => now().readRange(path, start, end),
    async write(path, bytes) {
      files.set(path, bytes.slice())
    },
    async remove(path) {
      files.delete(path)
    },
  }
}
