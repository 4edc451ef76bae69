// TensorBoard event files: TFRecords of `Event` messages (tensorflow/core/util/event.proto, framework/summary.proto),
// of which only the version, scalars and images are written.
import { maskedCrc32c } from './crc32c.js'

export interface EventRecord {
  /** Seconds since 1970. */
  wallTime: number
  step: number
  scalars?: Readonly<Record<string, number>>
  images?: readonly EventImage[]
}

export interface EventImage {
  tag: string
  width: number
  height: number
  png: Uint8Array
}

/** The first record of a file. */
export function encodeFileVersion(wallTime: number): Uint8Array {
  return record(concat([double(1, wallTime), text(3, 'brain.Event:2')]))
}

/** One TFRecord with all values of a step. */
export function encodeEvent({ wallTime, step, scalars = {}, images = [] }: EventRecord): Uint8Array {
  const values = [
    ...Object.entries(scalars).map(([tag, value]) => concat([text(1, tag), float(2, value)])),
    ...images.map(({ tag, width, height, png }) =>
      concat([text(1, tag), bytes(4, concat([varint(1, height), varint(2, width), varint(3, 3), bytes(4, png)]))]),
    ),
  ]
  const summary = concat(values.map((value) => bytes(1, value)))
  return record(concat([double(1, wallTime), varint(2, step), bytes(5, summary)]))
}

/** length u64, its masked CRC, data, its masked CRC */
function record(data: Uint8Array): Uint8Array {
  const result = new Uint8Array(data.length + 16)
  const view = new DataView(result.buffer)
  view.setBigUint64(0, BigInt(data.length), true)
  view.setUint32(8, maskedCrc32c(result.subarray(0, 8)), true)
  result.set(data, 12)
  view.setUint32(12 + data.length, maskedCrc32c(data), true)
  return result
}

const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 }

function varint(field: number, value: number): Uint8Array {
  return concat([digits((field << 3) | wire.varint), digits(value)])
}

function bytes(field: number, value: Uint8Array): Uint8Array {
  return concat([digits((field << 3) | wire.bytes), digits(value.length), value])
}

function text(field: number, value: string): Uint8Array {
  return bytes(field, new TextEncoder().encode(value))
}

function double(field: number, value: number): Uint8Array {
  const result = new Uint8Array(9)
  result[0] = (field << 3) | wire.fixed64
  new DataView(result.buffer).setFloat64(1, value, true)
  return result
}

function float(field: number, value: number): Uint8Array {
  const result = new Uint8Array(5)
  result[0] = (field << 3) | wire.fixed32
  new DataView(result.buffer).setFloat32(1, value, true)
  return result
}

/** Base 128, low digits first. */
function digits(value: number): Uint8Array {
  const result: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    result.push(rest > 0 ? low | 128 : low)
  } while (rest > 0)
  return Uint8Array.from(result)
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    result.set(part, at)
    at += part.length
  }
  return result
}
