import { FormatError } from './errors.js'

/** A cursor over little-endian bytes that never reads past the end and never trusts a count. */
export class ByteReader {
  readonly #view: DataView
  offset = 0

  constructor(
    readonly bytes: Uint8Array,
    readonly file: string,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left(): number {
    return this.bytes.length - this.offset
  }

  /** The offset of the next `count` bytes, which are thereby consumed. */
  take(count: number, what: string): number {
    if (count > this.left) throw this.error(what, `${count} more bytes`, `${this.left} before the end of the file`)
    const at = this.offset
    this.offset += count
    return at
  }

  u8(what: string): number {
    return this.#view.getUint8(this.take(1, what))
  }
  u32(what: string): number {
    return this.#view.getUint32(this.take(4, what), true)
  }
  i32(what: string): number {
    return this.#view.getInt32(this.take(4, what), true)
  }
  f64(what: string): number {
    return this.#view.getFloat64(this.take(8, what), true)
  }
  i64(what: string): bigint {
    return this.#view.getBigInt64(this.take(8, what), true)
  }

  /** An unsigned 64-bit number that fits a double exactly. */
  u64(what: string): number {
    const at = this.offset
    const value = this.#view.getBigUint64(this.take(8, what), true)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new FormatError(this.file, `${what} at byte ${at}`, 'a number below 2^53', String(value))
    }
    return Number(value)
  }

  /** A 64-bit count of things that take at least `least` bytes each: it must fit into the rest of the file. */
  count(what: string, least: number): number {
    const at = this.offset
    const value = this.u64(what)
    this.checkCount(value, what, least, at)
    return value
  }

  checkCount(value: number, what: string, least: number, at = this.offset): void {
    if (value * least > this.left) {
      throw new FormatError(
        this.file,
        `${what} at byte ${at}`,
        `at most ${Math.floor(this.left / least)} (${this.left} bytes are left, ${least} or more each)`,
        String(value),
      )
    }
  }

  /** Bytes up to a NUL, as UTF-8. */
  text(what: string, longest: number): string {
    const start = this.offset
    const limit = Math.min(this.bytes.length, start + longest + 1)
    const end = this.bytes.subarray(start, limit).indexOf(0)
    if (end < 0) throw this.error(what, `a NUL within ${longest} bytes`, 'none')
    this.offset = start + end + 1
    return decodeUtf8(this.bytes.subarray(start, start + end), this.file, `${what} at byte ${start}`)
  }

  error(what: string, expected: string, actual: string): FormatError {
    return new FormatError(this.file, `${what} at byte ${this.offset}`, expected, actual)
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Text of UTF-8 bytes; bytes that are not UTF-8 are a {@link FormatError}. */
export function decodeUtf8(bytes: Uint8Array, file: string, where: string): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new FormatError(file, where, 'UTF-8 text', 'other bytes', { cause })
  }
}

/** One array out of many. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Whether typed arrays of this machine have the byte order of the files. */
export const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** Little-endian numbers appended to a growing buffer. */
export class ByteWriter {
  #bytes = new Uint8Array(1024)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  #room(count: number): number {
    const at = this.#length
    this.#length += count
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    return at
  }

  u8(value: number): void {
    const at = this.#room(1)
    this.#view.setUint8(at, value)
  }
  u32(value: number): void {
    const at = this.#room(4)
    this.#view.setUint32(at, value, true)
  }
  i32(value: number): void {
    const at = this.#room(4)
    this.#view.setInt32(at, value, true)
  }
  f64(value: number): void {
    const at = this.#room(8)
    this.#view.setFloat64(at, value, true)
  }
  u64(value: number): void {
    this.i64(BigInt(value))
  }
  i64(value: bigint): void {
    const at = this.#room(8)
    this.#view.setBigInt64(at, value, true)
  }
  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length)
    this.#bytes.set(bytes, at)
  }
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}
