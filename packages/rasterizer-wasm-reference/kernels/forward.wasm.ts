// Blends the splats of each tile front to back.
//
// Chunk = tile of 16x16 pixels; splats outside, inside columns of four pixels width and their rows in the ellipse of
// alphaMin, so that exp is taken only where something is added. The tile's state (transmittance, red, green, blue,
// depth; final transmittance and stop of finished pixels) stays in scratch, 7 KiB. A pixel that is finished, or outside
// of the image, has transmittance 0 there and is skipped. A tile ends when all its pixels are finished. Each tile
// writes its own pixels only.
import { at } from '../../tensor/kernels/simd'
import {
  batch, exponent, findRows, initVectors, setColumn, V_ALPHA_MAX, V_RANGES, V_ROWS, V_TOP, V_TRANSMITTANCE_MIN,
  vectorsBytes, weigh,
} from './falloff'
import {
  BLUE, DEPTH, GREEN, P_BACKGROUND, P_HEIGHT, P_WIDTH, REACH, RED, Y, record,
} from './layout'

// A group of four pixels; groups of a column lie below each other.
const G_RED: usize = 16
const G_GREEN: usize = 32
const G_BLUE: usize = 48
const G_DEPTH: usize = 64
const G_FINAL: usize = 80
const G_STOP: usize = 96
const groupBytes: usize = 112

// Address of a pixel's lane.
@inline
function pixelOf(state: usize, x: i32, y: i32): usize {
  return state + ((((x >> 2) << 4) + y) as usize) * groupBytes + (((x & 3) as usize) << 2)
}

/**
 * entries // [pairs, 2]; image // [H, W, 3]; alphas, depths, transmittances // [H, W];
 * stops // [H, W] list entries that a pixel looked at; tileEnds // [tiles] entries that any pixel of a tile did
 */
export function forward(
  chunk: i32, scratch: usize, params: usize, records: usize, entries: usize, tileStarts: usize, tileEnds: usize,
  image: usize, alphas: usize, depths: usize, transmittances: usize, stops: usize,
): void {
  const width = load<f64>(params, P_WIDTH) as i32
  const height = load<f64>(params, P_HEIGHT) as i32
  const tilesX = (width + 15) >> 4
  const tileX = (chunk % tilesX) << 4
  const tileY = (chunk / tilesX) << 4
  const columns = min(16, width - tileX)
  const rows = min(16, height - tileY)
  const left = tileX as f32
  const top = tileY as f32

  const vectors = scratch
  const state = scratch + vectorsBytes
  initVectors(vectors, params)
  memory.fill(state, 0, 64 * groupBytes)
  const start = load<u32>(at(tileStarts, chunk))
  const length = (load<u32>(at(tileStarts, chunk + 1)) - start) as i32
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      store<f32>(pixelOf(state, x, y), 1)
      store<i32>(pixelOf(state, x, y), length, G_STOP)
    }
  }

  let alive = rows * columns
  let index = 0
  const list = entries + ((start as usize) << 3)
  while (index < length && alive > 0) {
    const splat = record(records, load<u32>(list + ((index as usize) << 3)))
    if (!(index & (batch - 1))) findRows(vectors, records, list, index, length, left, top)
    const ranges = vectors + ((index & (batch - 1)) << 3) + V_RANGES
    v128.store(vectors, f32x4.splat(top - load<f32>(splat, Y)), V_TOP)
    for (let column: usize = 0; column < 4; column++) {
      const first = load<u8>(ranges + column) as usize
      const end = load<u8>(ranges + column, 4) as usize
      if (first >= end) continue
      setColumn(vectors, splat, column, left)
      let group = state + ((column << 4) + first) * groupBytes
      let row = vectors + (first << 4)
      const rowEnd = vectors + (end << 4)
      for (; row < rowEnd; row += 16, group += groupBytes) {
        const T = v128.load(group)
        const ey = f32x4.add(v128.load(row, V_ROWS), v128.load(vectors, V_TOP))
        const q = exponent(vectors, splat, ey)
        const inside = v128.and(f32x4.le(q, v128.load32_splat(splat, REACH)), f32x4.gt(T, f32x4.splat(0)))
        if (!i32x4.bitmask(inside)) continue
        const alpha = f32x4.pmin(weigh(vectors, splat, q), v128.load(vectors, V_ALPHA_MAX))
        let weight = v128.and(f32x4.mul(alpha, T), inside)
        let next = f32x4.sub(T, weight)
        const finished = v128.and(f32x4.lt(next, v128.load(vectors, V_TRANSMITTANCE_MIN)), inside)
        if (i32x4.bitmask(finished)) {
          v128.store(group, v128.bitselect(T, v128.load(group, G_FINAL), finished), G_FINAL)
          v128.store(group, v128.bitselect(i32x4.splat(index), v128.load(group, G_STOP), finished), G_STOP)
          alive -= popcnt(i32x4.bitmask(finished))
          weight = v128.andnot(weight, finished)
          next = v128.andnot(next, finished)
        }
        v128.store(group, next)
        const red = f32x4.mul(weight, v128.load32_splat(splat, RED))
        const green = f32x4.mul(weight, v128.load32_splat(splat, GREEN))
        const blue = f32x4.mul(weight, v128.load32_splat(splat, BLUE))
        const depth = f32x4.mul(weight, v128.load32_splat(splat, DEPTH))
        v128.store(group, f32x4.add(v128.load(group, G_RED), red), G_RED)
        v128.store(group, f32x4.add(v128.load(group, G_GREEN), green), G_GREEN)
        v128.store(group, f32x4.add(v128.load(group, G_BLUE), blue), G_BLUE)
        v128.store(group, f32x4.add(v128.load(group, G_DEPTH), depth), G_DEPTH)
      }
    }
    index++
  }
  store<i32>(at(tileEnds, chunk), index)

  const red = load<f64>(params, P_BACKGROUND) as f32
  const green = load<f64>(params, P_BACKGROUND + 8) as f32
  const blue = load<f64>(params, P_BACKGROUND + 16) as f32
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const group = pixelOf(state, x, y)
      const pixel = (tileY + y) * width + tileX + x
      const stop = load<i32>(group, G_STOP)
      const T = stop < length ? load<f32>(group, G_FINAL) : load<f32>(group)
      store<f32>(at(image, 3 * pixel), load<f32>(group, G_RED) + T * red)
      store<f32>(at(image, 3 * pixel + 1), load<f32>(group, G_GREEN) + T * green)
      store<f32>(at(image, 3 * pixel + 2), load<f32>(group, G_BLUE) + T * blue)
      store<f32>(at(alphas, pixel), 1 - T)
      store<f32>(at(depths, pixel), load<f32>(group, G_DEPTH))
      store<f32>(at(transmittances, pixel), T)
      store<i32>(at(stops, pixel), stop)
    }
  }
}
