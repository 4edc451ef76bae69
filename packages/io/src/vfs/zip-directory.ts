import { decodeUtf8 } from '../bytes.js'
import { FormatError } from '../errors.js'
import type { ByteSource } from './vfs.js'

export interface ZipEntry {
  readonly name: string
  /** 0 stored, 8 deflated. */
  readonly method: number
  readonly crc: number
  readonly packedSize: number
  readonly size: number
  /** Of the local file header. */
  readonly offset: number
  readonly encrypted: boolean
}

const endBytes = 22
const longestComment = 65535
const entryBytes = 46
/** Deflate cannot pack better than this; a larger ratio is a lie. */
const bestRatio = 1032

/** The files that the directory at the end of a zip archive names (APPNOTE 4.3), zip64 included. Nothing is unpacked. */
export async function readZipDirectory(source: ByteSource): Promise<ZipEntry[]> {
  const { count, offset, size, at } = await findDirectory(source)
  if (offset + size > at || count * entryBytes > size) {
    throw new FormatError(
      source.name,
      `byte ${at}`,
      `a directory before it`,
      `${count} files, ${size} bytes at ${offset}`,
    )
  }
  const bytes = await source.read(offset, offset + size)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: ZipEntry[] = []
  let place = 0
  for (let i = 0; i < count; i++) {
    const where = `directory entry ${i} at byte ${offset + place}`
    if (place + entryBytes > size || view.getUint32(place, true) !== 0x02014b50) {
      throw new FormatError(source.name, where, 'a directory entry', 'other bytes')
    }
    const nameLength = view.getUint16(place + 28, true)
    const extraLength = view.getUint16(place + 30, true)
    const next = place + entryBytes + nameLength + extraLength + view.getUint16(place + 32, true)
    if (next > size) throw new FormatError(source.name, where, 'an entry inside the directory', `one to byte ${next}`)
    const nameEnd = place + entryBytes + nameLength
    const name = decodeUtf8(bytes.subarray(place + entryBytes, nameEnd), source.name, `${where}, name`)
    const wide = zip64(view, nameEnd, nameEnd + extraLength, [
      view.getUint32(place + 24, true),
      view.getUint32(place + 20, true),
      view.getUint32(place + 42, true),
    ])
    const [unpacked, packed, header] = wide
    const method = view.getUint16(place + 10, true)
    if (method !== 0 && method !== 8) {
      throw new FormatError(source.name, `${where} (${name})`, 'method 0 (stored) or 8 (deflate)', `${method}`)
    }
    const sizes = `${packed} packed bytes at ${header}, ${unpacked} unpacked`
    if (!(header + packed <= source.size) || unpacked > (packed + 1) * (method === 0 ? 1 : bestRatio)) {
      throw new FormatError(source.name, `${where} (${name})`, 'sizes that can be true', sizes)
    }
    entries.push({
      name,
      method,
      crc: view.getUint32(place + 16, true),
      packedSize: packed,
      size: unpacked,
      offset: header,
      encrypted: (view.getUint16(place + 8, true) & 1) === 1,
    })
    place = next
  }
  return entries
}

async function findDirectory(source: ByteSource): Promise<{ count: number; offset: number; size: number; at: number }> {
  const start = Math.max(0, source.size - endBytes - longestComment)
  const tail = await source.read(start, source.size)
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength)
  for (let i = tail.length - endBytes; i >= 0; i--) {
    if (view.getUint32(i, true) !== 0x06054b50 || i + endBytes + view.getUint16(i + 20, true) !== tail.length) continue
    const found = {
      count: view.getUint16(i + 10, true),
      size: view.getUint32(i + 12, true),
      offset: view.getUint32(i + 16, true),
      at: start + i,
    }
    const large = found.count === 0xffff || found.size === 0xffffffff || found.offset === 0xffffffff
    if (!large || i < 20 || view.getUint32(i - 20, true) !== 0x07064b50) return found
    const place = safe(view.getBigUint64(i - 12, true))
    const record = place + 56 <= source.size ? await source.read(place, place + 56) : new Uint8Array(0)
    const wide = new DataView(record.buffer, record.byteOffset, record.byteLength)
    if (record.length < 56 || wide.getUint32(0, true) !== 0x06064b50) {
      throw new FormatError(source.name, `byte ${place}`, 'a zip64 end record', 'other bytes')
    }
    return {
      count: safe(wide.getBigUint64(32, true)),
      size: safe(wide.getBigUint64(40, true)),
      offset: safe(wide.getBigUint64(48, true)),
      at: place,
    }
  }
  throw new FormatError(source.name, 'end', 'the end record of a zip archive', `${source.size} bytes without one`)
}

/** Sizes of 0xffffffff stand in the zip64 extra field, in this order. */
function zip64(view: DataView, start: number, end: number, values: [number, number, number]): [number, number, number] {
  for (let at = start; at + 4 <= end; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue
    const last = Math.min(end, at + 4 + view.getUint16(at + 2, true))
    let from = at + 4
    return values.map((value) => {
      if (value !== 0xffffffff || from + 8 > last) return value
      from += 8
      return safe(view.getBigUint64(from - 8, true))
    }) as [number, number, number]
  }
  return values
}

/** Larger numbers fail the checks that follow. */
function safe(value: bigint): number {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value)
}
