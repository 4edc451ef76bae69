import { gunzipSync, gzipSync } from 'fflate'
import { FormatError, IoError, OptionError } from '../errors.js'
import { checkGaussians, type GaussianCloud, sh0 } from '../ply/gaussians.js'

const magic = 0x5053474e
const headerBytes = 16
/** The constant coefficient of spherical harmonics in bytes: 255 (0.15 f + 0.5). */
const colorScale = 0.15
const mostBits = 24
/** Numbers of spherical harmonics above the constant, by degree. */
const harmonics = [0, 9, 24, 45]
/** Deflate cannot pack better than this; a larger ratio is a lie. */
const bestRatio = 1032

export interface SpzOptions {
  /** Of the format. 3 (default) packs rotations in 32 bits, 2 in 24. */
  readonly version?: 2 | 3
  /** Bits behind the point of positions. Default 12, or as many as the largest coordinate leaves. */
  readonly fractionalBits?: number
}

/**
 * Gaussians as an SPZ file (Niantic, https://github.com/nianticlabs/spz): gzip around a header of 16 bytes and, attribute by
 * attribute, positions (3 x 24 bits of fixed point), opacities (8 bits), colours (3 x 8), logarithms of scales (3 x 8 in
 * sixteenths from -10), rotations, harmonics (none here). Axes are those of a COLMAP world (right, down, forward) in memory
 * and right, up, backward in the file.
 */
export function writeSpz(cloud: GaussianCloud, options: SpzOptions = {}): Uint8Array {
  const { version = 3 } = options
  const count = checkGaussians(cloud)
  if (version !== 2 && version !== 3) throw new OptionError('version', version, '2 or 3')
  const bits = options.fractionalBits ?? fittingBits(cloud.means)
  if (!(Number.isInteger(bits) && bits >= 0 && bits < mostBits)) {
    throw new OptionError('fractionalBits', bits, `a whole number of 0 to ${mostBits - 1}`)
  }
  const rotationBytes = version === 3 ? 4 : 3
  const bytes = new Uint8Array(headerBytes + count * (9 + 1 + 3 + 3 + rotationBytes))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, magic, true)
  view.setUint32(4, version, true)
  view.setUint32(8, count, true)
  bytes[13] = bits
  let at = headerBytes
  const limit = 2 ** (mostBits - 1) - 1
  for (let i = 0; i < count * 3; i++) {
    const value = Math.round((i % 3 === 0 ? cloud.means[i]! : -cloud.means[i]!) * 2 ** bits)
    if (!(Math.abs(value) <= limit)) {
      throw new IoError(
        `Gaussian ${Math.floor(i / 3)} at ${cloud.means[i]} does not fit 24 bits with ${bits} behind the point; use fewer`,
      )
    }
    bytes[at++] = value & 255
    bytes[at++] = (value >> 8) & 255
    bytes[at++] = (value >> 16) & 255
  }
  for (let i = 0; i < count; i++) bytes[at++] = byte(cloud.opacities[i]! * 255)
  for (let i = 0; i < count * 3; i++) bytes[at++] = byte((((cloud.colors[i]! - 0.5) / sh0) * colorScale + 0.5) * 255)
  for (let i = 0; i < count * 3; i++)
    bytes[at++] = byte((Math.log(Math.max(Number.MIN_VALUE, cloud.scales[i]!)) + 10) * 16)
  for (let i = 0; i < count; i++) {
    const [w, x, y, z] = [0, 1, 2, 3].map((c) => cloud.rotations[i * 4 + c]!)
    const length = Math.hypot(w!, x!, y!, z!)
    // A half turn about x takes right, down, forward to right, up, backward.
    const q = [x! / length, -y! / length, -z! / length, w! / length]
    if (version === 3) view.setUint32(at, packSmallestThree(q), true)
    else for (let c = 0; c < 3; c++) bytes[at + c] = byte(q[c]! * (q[3]! < 0 ? -127.5 : 127.5) + 127.5)
    at += rotationBytes
  }
  return gzipSync(bytes, { level: 9, mtime: 0 })
}

/** The Gaussians of an SPZ file of version 2 or 3. Spherical harmonics above the constant are ignored. */
export function readSpz(packed: Uint8Array, file = 'spz'): GaussianCloud {
  const bytes = unpack(packed, file)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < headerBytes || view.getUint32(0, true) !== magic)
    throw new FormatError(file, 'byte 0', 'the mark NGSP', 'other bytes')
  const version = view.getUint32(4, true)
  if (version !== 2 && version !== 3) throw new FormatError(file, 'version', '2 or 3', `${version}`)
  const count = view.getUint32(8, true)
  const degree = bytes[12]!
  const bits = bytes[13]!
  const more = harmonics[degree]
  if (more === undefined) throw new FormatError(file, 'degree of spherical harmonics', '0 to 3', `${degree}`)
  if (bits >= mostBits) throw new FormatError(file, 'fractional bits', `at most ${mostBits - 1}`, `${bits}`)
  const rotationBytes = version === 3 ? 4 : 3
  const size = headerBytes + count * (9 + 1 + 3 + 3 + rotationBytes + more)
  if (bytes.length !== size)
    throw new FormatError(file, 'size', `${size} bytes for ${count} Gaussians`, `${bytes.length}`)
  let at = headerBytes
  const means = new Float32Array(count * 3)
  for (let i = 0; i < count * 3; i++, at += 3) {
    const fixed = ((bytes[at]! << 8) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 24)) >> 8
    means[i] = (i % 3 === 0 ? fixed : -fixed) / 2 ** bits
  }
  const opacities = Float32Array.from(bytes.subarray(at, at + count), (value) => value / 255)
  at += count
  const next = (map: (value: number) => number) => {
    const values = Float32Array.from(bytes.subarray(at, at + count * 3), map)
    at += count * 3
    return values
  }
  const colors = next((value) => ((value / 255 - 0.5) / colorScale) * sh0 + 0.5)
  const scales = next((value) => Math.exp(value / 16 - 10))
  const rotations = new Float32Array(count * 4)
  for (let i = 0; i < count; i++, at += rotationBytes) {
    const [x, y, z, w] =
      version === 3 ? unpackSmallestThree(view.getUint32(at, true)) : unpackFirstThree(bytes.subarray(at, at + 3))
    rotations.set([w!, x!, -y!, -z!], i * 4)
  }
  return { means, scales, rotations, opacities, colors }
}

function unpack(packed: Uint8Array, file: string): Uint8Array {
  if (packed.length < 18 || packed[0] !== 0x1f || packed[1] !== 0x8b) {
    throw new FormatError(file, 'byte 0', 'gzip (SPZ of version 2 or 3)', 'other bytes')
  }
  const trailer = new DataView(packed.buffer, packed.byteOffset + packed.length - 4, 4)
  const size = trailer.getUint32(0, true)
  if (size > packed.length * bestRatio) {
    throw new FormatError(file, 'size', `at most ${packed.length * bestRatio} unpacked bytes`, `${size}`)
  }
  try {
    return gunzipSync(packed, { out: new Uint8Array(size) })
  } catch (cause) {
    throw new FormatError(file, 'content', 'gzip', cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/** 12 as other writers have it, or fewer so that the largest coordinate fits. */
function fittingBits(means: Float32Array): number {
  let largest = 0
  for (const value of means) largest = Math.max(largest, Math.abs(value))
  let bits = 12
  while (bits > 0 && Math.round(largest * 2 ** bits) > 2 ** (mostBits - 1) - 1) bits--
  return bits
}

function byte(value: number): number {
  return Math.max(0, Math.min(255, Math.round(value)))
}

/** Which of x y z w is the largest (2 bits), then sign and size in 511ths of 1/sqrt(2) of the others, in their order. */
function packSmallestThree(q: readonly number[]): number {
  let largest = 0
  for (let i = 1; i < 4; i++) if (Math.abs(q[i]!) > Math.abs(q[largest]!)) largest = i
  const turned = q[largest]! < 0 ? -1 : 1
  let packed = largest
  for (let i = 0; i < 4; i++) {
    if (i === largest) continue
    const value = q[i]! * turned
    packed = packed * 1024 + (value < 0 ? 512 : 0) + Math.min(511, Math.round(Math.abs(value) * Math.SQRT2 * 511))
  }
  return packed
}

function unpackSmallestThree(packed: number): number[] {
  const largest = packed >>> 30
  const q = [0, 0, 0, 0]
  let rest = packed
  let squares = 0
  for (let i = 3; i >= 0; i--) {
    if (i === largest) continue
    const value = ((rest & 511) / 511) * Math.SQRT1_2
    q[i] = rest & 512 ? -value : value
    squares += value * value
    rest >>>= 10
  }
  q[largest] = Math.sqrt(Math.max(0, 1 - squares))
  return q
}

function unpackFirstThree(bytes: Uint8Array): number[] {
  const [x, y, z] = [0, 1, 2].map((c) => bytes[c]! / 127.5 - 1)
  return [x!, y!, z!, Math.sqrt(Math.max(0, 1 - x! * x! - y! * y! - z! * z!))]
}
