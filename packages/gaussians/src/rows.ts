/** The rows `rows` of an array of `width` numbers a row, in that order. */
export function gatherRows(values: Float32Array, width: number, rows: ArrayLike<number>): Float32Array
export function gatherRows(values: Uint32Array, width: number, rows: ArrayLike<number>): Uint32Array
export function gatherRows(
  values: Float32Array | Uint32Array,
  width: number,
  rows: ArrayLike<number>,
): Float32Array | Uint32Array {
  const size = rows.length * width
  const result = values instanceof Float32Array ? new Float32Array(size) : new Uint32Array(size)
  for (let i = 0; i < rows.length; i++) {
    const from = rows[i]! * width
    for (let j = 0; j < width; j++) result[i * width + j] = values[from + j]!
  }
  return result
}
