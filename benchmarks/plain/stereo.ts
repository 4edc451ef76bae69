// The cost of planes for one source (1 - NCC of a patch with bilateral weights) in plain JavaScript.

/** A pair of views, the reference's grey levels, and the source's. */
export interface PlainPair {
  readonly reference: { readonly width: number; readonly height: number; readonly data: Uint8Array }
  readonly source: { readonly width: number; readonly height: number; readonly data: Uint8Array }
  /** [12] from (x, y, 1, inverse depth) to the homogeneous place in the source's array. */
  readonly matrix: readonly number[]
}

const half = 4
const step = 2
const samples = 25
const spatial = -1 / (2 * half ** 2)
const grey = -1 / (2 * 16 ** 2)
const worst = 2

/** planes // [height, width, 4], costs // [height, width], of the rows from `first` to `end`. */
export function plainCosts(
  { reference, source, matrix: m }: PlainPair,
  planes: Float32Array,
  costs: Float32Array,
  first: number,
  end: number,
): void {
  const weights = new Float64Array(samples)
  const values = new Float64Array(samples)
  const { width, height, data } = reference
  const [right, bottom] = [source.width - 1, source.height - 1]
  for (let y = first; y < end; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = y * width + x
      costs[pixel] = worst
      const centre = data[pixel]!
      let [total, mean, squares] = [0, 0, 0]
      for (let dy = -half, i = 0; dy <= half; dy += step) {
        const row = Math.min(height - 1, Math.max(0, y + dy)) * width
        for (let dx = -half; dx <= half; dx += step, i++) {
          const value = data[row + Math.min(width - 1, Math.max(0, x + dx))]! - centre
          const weight = Math.exp((dx * dx + dy * dy) * spatial + value * value * grey)
          weights[i] = weight
          values[i] = value
          total += weight
          mean += weight * value
          squares += weight * value * value
        }
      }
      mean /= total
      const variance = squares / total - mean * mean
      if (variance < 1) continue
      const [rho, gx, gy] = [planes[4 * pixel]!, planes[4 * pixel + 1]!, planes[4 * pixel + 2]!]
      const u0 = m[0]! * x + m[1]! * y + m[2]! + m[3]! * rho
      const v0 = m[4]! * x + m[5]! * y + m[6]! + m[7]! * rho
      const w0 = m[8]! * x + m[9]! * y + m[10]! + m[11]! * rho
      const [ux, uy] = [m[0]! + m[3]! * gx, m[1]! + m[3]! * gy]
      const [vx, vy] = [m[4]! + m[7]! * gx, m[5]! + m[7]! * gy]
      const [wx, wy] = [m[8]! + m[11]! * gx, m[9]! + m[11]! * gy]
      if (!(w0 - half * (Math.abs(wx) + Math.abs(wy)) > 0)) continue
      if (u0 < 0 || v0 < 0 || u0 > right * w0 || v0 > bottom * w0) continue
      let [sum, sourceSquares, products] = [0, 0, 0]
      for (let dy = -half, i = 0; dy <= half; dy += step) {
        for (let dx = -half; dx <= half; dx += step, i++) {
          const per = 1 / (w0 + wx * dx + wy * dy)
          const u = Math.min(right, Math.max(0, (u0 + ux * dx + uy * dy) * per))
          const v = Math.min(bottom, Math.max(0, (v0 + vx * dx + vy * dy) * per))
          const [left, top] = [u | 0, v | 0]
          const at = top * source.width + left
          const across = left < right ? 1 : 0
          const down = top < bottom ? source.width : 0
          const [a, b] = [u - left, v - top]
          const upper = source.data[at]! + a * (source.data[at + across]! - source.data[at]!)
          const lower = source.data[at + down]! + a * (source.data[at + down + across]! - source.data[at + down]!)
          const value = upper + b * (lower - upper) - centre
          const product = weights[i]! * value
          sum += product
          sourceSquares += product * value
          products += product * values[i]!
        }
      }
      const sourceMean = sum / total
      const sourceVariance = sourceSquares / total - sourceMean * sourceMean
      if (sourceVariance < 1) continue
      const covariance = products / total - mean * sourceMean
      costs[pixel] = Math.min(worst, Math.max(0, 1 - covariance / Math.sqrt(variance * sourceVariance)))
    }
  }
}
