/** Element types. `f16` is stored as its bits; see {@link toF16} and {@link fromF16}. */
export type DType = 'f32' | 'f16' | 'i32' | 'u32' | 'u8'

export interface ArrayOf {
  f32: Float32Array<ArrayBufferLike>
  f16: Uint16Array<ArrayBufferLike>
  i32: Int32Array<ArrayBufferLike>
  u32: Uint32Array<ArrayBufferLike>
  u8: Uint8Array<ArrayBufferLike>
}

export type Shape = readonly number[]

const arrays = { f32: Float32Array, f16: Uint16Array, i32: Int32Array, u32: Uint32Array, u8: Uint8Array }

/** The typed array class that holds elements of `dtype` on the host. */
export function arrayClass<D extends DType>(
  dtype: D,
): { new (length: number): ArrayOf[D]; new (buffer: ArrayBufferLike, offset: number, length: number): ArrayOf[D] } {
  return arrays[dtype] as never
}

export function bytesPerElement(dtype: DType): number {
  return arrays[dtype].BYTES_PER_ELEMENT
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1)
}

const word = new Uint32Array(1)
const float = new Float32Array(word.buffer)

/** IEEE binary16 bits of the float32 nearest to `value`, rounded to nearest even; overflow becomes infinity. */
export function toF16(value: number): number {
  float[0] = value
  const bits = word[0]!
  const sign = (bits >>> 16) & 0x8000
  const exponent = (bits >>> 23) & 0xff
  const mantissa = bits & 0x7fffff
  if (exponent === 0xff) return sign | 0x7c00 | (mantissa ? 0x200 : 0)
  const e = exponent - 112
  if (e >= 31) return sign | 0x7c00
  if (e < -10) return sign
  const full = e > 0 ? mantissa : mantissa | 0x800000
  const shift = e > 0 ? 13 : 14 - e
  const half = full >>> shift
  const rest = full & ((1 << shift) - 1)
  const middle = 1 << (shift - 1)
  const rounded = half + (rest > middle || (rest === middle && half & 1) ? 1 : 0)
  return sign | (e > 0 ? (e << 10) + rounded : rounded)
}

/** The number that the binary16 `bits` stand for. */
export function fromF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 31
  const mantissa = bits & 0x3ff
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY
  if (exponent === 0) return sign * mantissa * 2 ** -24
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15)
}
