import { inflateSync } from 'fflate'
import { FormatError, IoError } from '../errors.js'
import { crc32 } from './crc32.js'
import { normalizePath } from './path.js'
import { type ByteSource, bytesSource, treeVfs, type Vfs } from './vfs.js'
import { readZipDirectory, type ZipEntry } from './zip-directory.js'

export interface ZipOptions {
  readonly name?: string
  /** A file that unpacks to more bytes than this is refused. Default 1 GiB. */
  readonly maxFileBytes?: number
}

/**
 * A zip archive as a source. Only its directory is read at first; a file is read, unpacked and checked (size and CRC)
 * when it is asked for. Names that could leave the folder, encrypted files and sizes that cannot be true are errors.
 */
export async function zipFolder(archive: Uint8Array | ByteSource, options: ZipOptions = {}): Promise<Vfs> {
  const source = archive instanceof Uint8Array ? bytesSource(archive, options.name ?? 'zip') : archive
  const files = new Map<string, ByteSource>()
  for (const entry of await readZipDirectory(source)) {
    const path = normalizePath(entry.name)
    if (entry.name.endsWith('/') || path === '') continue
    if (files.has(path)) throw new FormatError(source.name, 'directory', 'each name once', `${path} twice`)
    files.set(path, zipEntrySource(source, entry, options.maxFileBytes ?? 2 ** 30))
  }
  return treeVfs(options.name ?? source.name, files)
}

function zipEntrySource(source: ByteSource, entry: ZipEntry, limit: number): ByteSource {
  // Range reads come in bursts over one file; keep the last unpacked one only as long as anybody else does.
  let kept: WeakRef<Uint8Array> | undefined
  return {
    name: entry.name,
    size: entry.size,
    async read(start, end) {
      const whole = kept?.deref() ?? (await readZipEntry(source, entry, limit))
      kept = new WeakRef(whole)
      return start === 0 && end === whole.length ? whole : whole.subarray(start, end)
    },
  }
}

/** The bytes of one file of an archive, checked against its size and CRC. */
export async function readZipEntry(source: ByteSource, entry: ZipEntry, limit = 2 ** 30): Promise<Uint8Array> {
  const file = `${source.name}/${entry.name}`
  if (entry.size > limit) {
    throw new IoError(`${file}: unpacks to ${entry.size} bytes, more than the limit of ${limit}; raise maxFileBytes`)
  }
  if (entry.encrypted) throw new FormatError(file, 'flags', 'a file that is not encrypted', 'an encrypted one')
  const head = await source.read(entry.offset, Math.min(entry.offset + 30, source.size))
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  if (head.length < 30 || view.getUint32(0, true) !== 0x04034b50) {
    throw new FormatError(file, `byte ${entry.offset}`, 'a local file header', 'other bytes')
  }
  const start = entry.offset + 30 + view.getUint16(26, true) + view.getUint16(28, true)
  const end = start + entry.packedSize
  if (end > source.size) {
    throw new FormatError(
      file,
      `byte ${start}`,
      `${entry.packedSize} packed bytes`,
      `${source.size - start} to the end`,
    )
  }
  const packed = await source.read(start, end)
  const bytes = entry.method === 0 ? packed : unpack(packed, entry.size, file)
  if (bytes.length !== entry.size) throw new FormatError(file, 'content', `${entry.size} bytes`, `${bytes.length}`)
  const crc = crc32(bytes)
  if (crc !== entry.crc) throw new FormatError(file, 'content', `CRC ${hex(entry.crc)}`, hex(crc))
  return bytes
}

function unpack(packed: Uint8Array, size: number, file: string): Uint8Array {
  try {
    // The output is as long as declared, so that a lying archive cannot make it grow.
    return inflateSync(packed, { out: new Uint8Array(size) })
  } catch (cause) {
    throw new FormatError(file, 'content', 'deflated bytes', cause instanceof Error ? cause.message : String(cause), {
      cause,
    })
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}
