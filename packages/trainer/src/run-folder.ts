/** Where a run lives. Paths are relative, with forward slashes. */
export interface RunFolder {
  /** Null when there is no such file. */
  read(path: string): Promise<Uint8Array | null>
  /** Writes all or nothing: a reader sees the old file or the new one, also after a crash. */
  write(path: string, bytes: Uint8Array): Promise<void>
  /** Removes a file; nothing happens when it is not there. */
  remove(path: string): Promise<void>
  /** Paths of all files below `folder`. */
  list(folder: string): Promise<string[]>
}

/** A run in memory: for tests, and for pages that train without a disk. */
export function createMemoryRun(files: Map<string, Uint8Array> = new Map()): RunFolder {
  return {
    async read(path) {
      return files.get(path)?.slice() ?? null
    },
    async write(path, bytes) {
      files.set(path, bytes.slice())
    },
    async remove(path) {
      files.delete(path)
    },
    async list(folder) {
      return [...files.keys()].filter((path) => path.startsWith(`${folder}/`)).sort()
    },
  }
}
