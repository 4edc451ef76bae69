import { type FileHandle, open, stat } from 'node:fs/promises'
import { FormatError } from '@clipgstream/io'

/** What features and matches COLMAP has found. */
export interface ColmapDatabase {
  /** Names by id. */
  readonly images: ReadonlyMap<number, string>
  /** [n, 2] pixels of an image's features; empty for an image without. */
  keypoints(image: number): Promise<Float32Array>
  /** Pairs of images with the pairs of features that agree on their geometry. */
  readonly verified: readonly VerifiedPair[]
}

export interface VerifiedPair {
  readonly images: readonly [number, number]
  /** [n, 2] features of the first and of the second image. */
  readonly matches: Uint32Array
}

/** COLMAP numbers a pair first * this + second. */
const pairBase = 2147483647

/**
 * Reads COLMAP's database, an SQLite file (format of https://www.sqlite.org/fileformat2.html), which Node has no reader for.
 * Only what COLMAP writes: tables by their row ids, all content in the main file, that is, after COLMAP has closed it.
 */
export async function withDatabase<T>(path: string, work: (database: ColmapDatabase) => Promise<T>): Promise<T> {
  const pending = await stat(`${path}-wal`).catch(() => null)
  if (pending && pending.size > 0)
    throw new FormatError(
      path,
      `${path}-wal`,
      'a database that COLMAP has closed',
      `${pending.size} bytes not yet in it`,
    )
  const handle = await open(path, 'r')
  try {
    const file = await openFile(handle, path)
    const images = new Map<number, string>()
    for await (const [id, [, name]] of file.rows('images')) images.set(id, String(name))
    const verified: VerifiedPair[] = []
    for await (const [id, [, , , data]] of file.rows('two_view_geometries')) {
      if (!(data instanceof Uint8Array) || data.length === 0) continue
      const second = id % pairBase
      verified.push({ images: [(id - second) / pairBase, second], matches: new Uint32Array(aligned(data)) })
    }
    const points = new Map<number, Float32Array>()
    return await work({
      images,
      verified,
      async keypoints(image) {
        if (points.size === 0)
          for await (const [id, [, count, columns, data]] of file.rows('keypoints')) {
            if (!(data instanceof Uint8Array)) continue
            const all = new Float32Array(aligned(data))
            const xy = new Float32Array(2 * Number(count))
            for (let i = 0; i < Number(count); i++)
              xy.set(all.subarray(i * Number(columns), i * Number(columns) + 2), 2 * i)
            points.set(id, xy)
          }
        return points.get(image) ?? new Float32Array(0)
      },
    })
  } finally {
    await handle.close()
  }
}

type Value = number | string | Uint8Array | null
/** Row id and columns. */
type Row = readonly [number, readonly Value[]]

const aligned = (bytes: Uint8Array) => Uint8Array.from(bytes).buffer

async function openFile(handle: FileHandle, path: string) {
  const header = await readAt(handle, 0, 100)
  if (new TextDecoder().decode(header.subarray(0, 15)) !== 'SQLite format 3')
    throw new FormatError(path, 'the header', 'SQLite format 3', 'something else')
  const stated = view(header).getUint16(16)
  const pageSize = stated === 1 ? 65536 : stated
  const usable = pageSize - (header[20] ?? 0)
  const page = async (number: number) => {
    const bytes = await readAt(handle, (number - 1) * pageSize, pageSize)
    if (bytes.length === pageSize) return bytes
    throw new FormatError(path, `page ${number}`, `${pageSize} bytes`, `${bytes.length} bytes`)
  }

  /** Rows of the tree below a page, in the order of their ids. */
  async function* walk(number: number): AsyncGenerator<Row> {
    const bytes = await page(number)
    const data = view(bytes)
    const start = number === 1 ? 100 : 0
    const kind = bytes[start]
    const cells = data.getUint16(start + 3)
    const first = start + (kind === 5 ? 12 : 8)
    if (kind !== 5 && kind !== 13) throw new FormatError(path, `page ${number}`, 'a page of a table', `kind ${kind}`)
    for (let i = 0; i < cells; i++) {
      const at = data.getUint16(first + 2 * i)
      if (kind === 5) yield* walk(data.getUint32(at))
      else yield await leaf(bytes, at)
    }
    if (kind === 5) yield* walk(data.getUint32(start + 8))
  }

  /** Payloads too long for the page go on in a chain of others. */
  async function leaf(bytes: Uint8Array, at: number): Promise<Row> {
    const [length, idAt] = varint(bytes, at)
    const [id, from] = varint(bytes, idAt)
    const most = usable - 35
    if (length <= most) return [id, record(bytes.subarray(from, from + length))]
    const least = Math.floor(((usable - 12) * 32) / 255) - 23
    const spilled = least + ((length - least) % (usable - 4))
    const local = spilled <= most ? spilled : least
    const payload = new Uint8Array(length)
    payload.set(bytes.subarray(from, from + local))
    let next = view(bytes).getUint32(from + local)
    for (let filled = local; filled < length && next !== 0; ) {
      const more = await page(next)
      next = view(more).getUint32(0)
      const part = more.subarray(4, 4 + Math.min(usable - 4, length - filled))
      payload.set(part, filled)
      filled += part.length
    }
    return [id, record(payload)]
  }

  const roots = new Map<string, number>()
  for await (const [, [type, name, , root]] of walk(1))
    if (type === 'table' && typeof name === 'string') roots.set(name, Number(root))
  return {
    rows(table: string) {
      const root = roots.get(table)
      if (root === undefined)
        throw new FormatError(path, 'the tables', `a table ${table}`, [...roots.keys()].join(', ') || 'none')
      return walk(root)
    },
  }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Up to nine bytes, seven bits each, the ninth eight; and where it ends. */
function varint(bytes: Uint8Array, at: number): [value: number, end: number] {
  let value = 0
  for (let i = 0; i < 8; i++) {
    const byte = bytes[at + i] ?? 0
    value = value * 128 + (byte & 127)
    if (byte < 128) return [value, at + i + 1]
  }
  return [value * 256 + (bytes[at + 8] ?? 0), at + 9]
}

const integerBytes = [0, 1, 2, 3, 4, 6, 8]

function record(payload: Uint8Array): Value[] {
  const data = view(payload)
  const [headerLength, start] = varint(payload, 0)
  const values: Value[] = []
  let body = headerLength
  for (let at = start; at < headerLength; ) {
    const [type, next] = varint(payload, at)
    at = next
    if (type >= 12) {
      const bytes = payload.subarray(body, body + ((type - 12) >> 1))
      values.push(type % 2 === 0 ? bytes : new TextDecoder().decode(bytes))
      body += bytes.length
    } else if (type === 7) {
      values.push(data.getFloat64(body))
      body += 8
    } else if (type === 0 || type > 7) values.push(type === 0 ? null : type - 8)
    else {
      const size = integerBytes[type] ?? 0
      let value = data.getInt8(body)
      for (let i = 1; i < size; i++) value = value * 256 + (payload[body + i] ?? 0)
      values.push(value)
      body += size
    }
  }
  return values
}
