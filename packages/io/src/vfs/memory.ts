import { normalizePath } from './path.js'
import { type ByteSource, bytesSource, treeVfs, type Vfs } from './vfs.js'

/** A source of files held in memory, by path. Text is stored as UTF-8. */
export function memoryFolder(
  files: Readonly<Record<string, Uint8Array | string>> | ReadonlyMap<string, Uint8Array | string>,
  label = 'memory',
): Vfs {
  const entries = new Map<string, ByteSource>()
  for (const [path, content] of files instanceof Map ? files : Object.entries(files)) {
    const clean = normalizePath(path)
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
    entries.set(clean, bytesSource(bytes, clean))
  }
  return treeVfs(label, entries)
}
