// Which anchors a pinhole view may show, as an ascending list.
//
// An anchor is a Gaussian with scales exp(logScaling[0..2]); it is visible when it lies behind the near plane and the
// square of its three-sigma radius meets a tile of the image, of one view of several. `mark` covers `rows` anchors a chunk and lists its visible
// ones in its own part of `segments`; `scan` sums the chunks' counts in one chunk; `gather` moves the parts together.
// The list is ascending and does not depend on the number of threads. NaN anywhere makes an anchor invisible.
import { at, exp4 } from '../../tensor/kernels/simd'
import { load3, rowAt } from './lanes'

const tile: f32 = 16

/** Whether the view shows anchor i; a view is worldToCamera, fx, fy, cx, cy, width, height. */
function sees(
  view: usize, positions: usize, logScaling: usize, rotations: usize, i: i32, near: f32, dilation: f32,
): bool {
  const r00 = load<f32>(view), r01 = load<f32>(view, 4), r02 = load<f32>(view, 8), tx = load<f32>(view, 12)
  const r10 = load<f32>(view, 16), r11 = load<f32>(view, 20), r12 = load<f32>(view, 24), ty = load<f32>(view, 28)
  const r20 = load<f32>(view, 32), r21 = load<f32>(view, 36), r22 = load<f32>(view, 40), tz = load<f32>(view, 44)
  const p = rowAt(positions, i, 3)
  const px = load<f32>(p)
  const py = load<f32>(p, 4)
  const pz = load<f32>(p, 8)
  const z = r20 * px + r21 * py + r22 * pz + tz
  if (!(z > near)) return false
  const fx = load<f32>(view, 48), fy = load<f32>(view, 52), cx = load<f32>(view, 56), cy = load<f32>(view, 60)
  const width = load<f32>(view, 64), height = load<f32>(view, 68)
  const limitX: f32 = 1.3 * width / (2 * fx)
  const limitY: f32 = 1.3 * height / (2 * fy)
  const tilesX = floor<f32>((width + tile - 1) / tile)
  const tilesY = floor<f32>((height + tile - 1) / tile)
  const inverse: f32 = 1 / z
  const u = (r00 * px + r01 * py + r02 * pz + tx) * inverse
  const v = (r10 * px + r11 * py + r12 * pz + ty) * inverse

  // Rows of J W, then their product with the anchor's rotation.
  const jx = fx * inverse
  const jy = fy * inverse
  const kx = -jx * min(limitX, max(-limitX, u))
  const ky = -jy * min(limitY, max(-limitY, v))
  let a0 = jx * r00 + kx * r20
  let a1 = jx * r01 + kx * r21
  let a2 = jx * r02 + kx * r22
  let b0 = jy * r10 + ky * r20
  let b1 = jy * r11 + ky * r21
  let b2 = jy * r12 + ky * r22
  if (rotations) {
    const q = v128.load(rowAt(rotations, i, 4))
    const squares = f32x4.mul(q, q)
    const norm = sqrt<f32>(
      f32x4.extract_lane(squares, 0) + f32x4.extract_lane(squares, 1) +
      f32x4.extract_lane(squares, 2) + f32x4.extract_lane(squares, 3),
    )
    const unit = f32x4.div(q, f32x4.splat(max<f32>(norm, 1e-12)))
    const w = f32x4.extract_lane(unit, 0)
    const x = f32x4.extract_lane(unit, 1)
    const y = f32x4.extract_lane(unit, 2)
    const zq = f32x4.extract_lane(unit, 3)
    const m00: f32 = 1 - 2 * (y * y + zq * zq)
    const m01: f32 = 2 * (x * y - w * zq)
    const m02: f32 = 2 * (x * zq + w * y)
    const m10: f32 = 2 * (x * y + w * zq)
    const m11: f32 = 1 - 2 * (x * x + zq * zq)
    const m12: f32 = 2 * (y * zq - w * x)
    const m20: f32 = 2 * (x * zq - w * y)
    const m21: f32 = 2 * (y * zq + w * x)
    const m22: f32 = 1 - 2 * (x * x + y * y)
    const c0 = a0 * m00 + a1 * m10 + a2 * m20
    const c1 = a0 * m01 + a1 * m11 + a2 * m21
    const c2 = a0 * m02 + a1 * m12 + a2 * m22
    const d0 = b0 * m00 + b1 * m10 + b2 * m20
    const d1 = b0 * m01 + b1 * m11 + b2 * m21
    const d2 = b0 * m02 + b1 * m12 + b2 * m22
    a0 = c0; a1 = c1; a2 = c2
    b0 = d0; b1 = d1; b2 = d2
  }
  const scale = exp4(load3(rowAt(logScaling, i, 6)))
  const s0 = f32x4.extract_lane(scale, 0)
  const s1 = f32x4.extract_lane(scale, 1)
  const s2 = f32x4.extract_lane(scale, 2)
  a0 *= s0; a1 *= s1; a2 *= s2
  b0 *= s0; b1 *= s1; b2 *= s2
  const a = a0 * a0 + a1 * a1 + a2 * a2 + dilation
  const b = a0 * b0 + a1 * b1 + a2 * b2
  const c = b0 * b0 + b1 * b1 + b2 * b2 + dilation
  // half^2 + b^2 is mid^2 - det without the cancellation, which long needles do not survive.
  const half: f32 = 0.5 * (a - c)
  const lambda: f32 = 0.5 * (a + c) + sqrt<f32>(max<f32>(0.1, half * half + b * b))
  const radius = ceil<f32>(3 * sqrt<f32>(lambda))

  const x: f32 = fx * u + cx - 0.5
  const y: f32 = fy * v + cy - 0.5
  const left = clamp(floor<f32>((x - radius) / tile), tilesX)
  const right = clamp(floor<f32>((x + radius + tile - 1) / tile), tilesX)
  const top = clamp(floor<f32>((y - radius) / tile), tilesY)
  const bottom = clamp(floor<f32>((y + radius + tile - 1) / tile), tilesY)
  return right > left && bottom > top
}

/**
 * segments[chunk rows ...] (u32) = anchors of the chunk that any of the views shows, counts[chunk] (u32) how many;
 * rotations may be 0.
 */
export function mark(
  chunk: i32, scratch: usize,
  positions: usize, logScaling: usize, rotations: usize, segments: usize, counts: usize, n: i32, rows: i32,
  views: usize, viewCount: i32, near: f32, dilation: f32,
): void {
  const first = chunk * rows
  const end = min(n, first + rows)
  let found = 0
  for (let i = first; i < end; i++) {
    for (let v = 0; v < viewCount; v++) {
      if (!sees(rowAt(views, v, 18), positions, logScaling, rotations, i, near, dilation)) continue
      store<u32>(at(segments, first + found), i)
      found++
      break
    }
  }
  store<u32>(at(counts, chunk), found)
}

@inline
function clamp(value: f32, high: f32): f32 {
  return min<f32>(high, max<f32>(0, value))
}

/** offsets[c] (u32) = counts[0] + ... + counts[c - 1]; total[0] (u32) = their sum. */
export function scan(chunk: i32, scratch: usize, counts: usize, offsets: usize, total: usize, chunks: i32): void {
  let sum: u32 = 0
  for (let i = 0; i < chunks; i++) {
    store<u32>(at(offsets, i), sum)
    sum += load<u32>(at(counts, i))
  }
  store<u32>(total, sum)
}

/** indices[offsets[chunk] ...] = the chunk's part of segments. */
export function gather(
  chunk: i32, scratch: usize, segments: usize, counts: usize, offsets: usize, indices: usize, rows: i32,
): void {
  const count = load<u32>(at(counts, chunk))
  memory.copy(at(indices, load<u32>(at(offsets, chunk))), at(segments, chunk * rows), (count as usize) << 2)
}
