// Blends the splats of each tile front to back.
//
// Chunk = tile of 16x16 pixels; splats outside, rows and groups of four pixels inside. A group costs six instructions
// where the splat's falloff is below the cut, so exp is taken only where something is added. The tile's state (64
// groups of transmittance, red, green, blue, depth) stays in scratch, 5 KiB. A pixel that is finished, or outside of
// the image, has transmittance 0 there and is skipped; its final transmittance and the list entry that would have
// passed the limit are kept apart. A tile ends when all its pixels are finished. Each tile writes its own pixels only.
import { at } from '../../tensor/kernels/simd'
import {
  firstGroup, firstRow, initVectors, lastGroup, lastRow, setSplat, V_ALPHA_MAX, V_CUT, V_L11_EX, vectorsBytes, weigh,
} from './falloff'
import {
  BLUE, DEPTH, GREEN, L21, L22, P_BACKGROUND, P_HEIGHT, P_TRANSMITTANCE_MIN, P_WIDTH, RED, Y, record,
} from './layout'

const groupBytes: usize = 80
const stateBytes: usize = 64 * groupBytes

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
  const finals = state + stateBytes
  const ends = finals + 1024
  initVectors(vectors, params)
  memory.fill(state, 0, stateBytes)
  const start = load<u32>(at(tileStarts, chunk))
  const length = (load<u32>(at(tileStarts, chunk + 1)) - start) as i32
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      store<f32>(state + ((((y << 2) + (x >> 2)) as usize) * groupBytes + (((x & 3) as usize) << 2)), 1)
      store<i32>(at(ends, (y << 4) + x), length)
    }
  }

  const transmittanceMin = f32x4.splat(load<f64>(params, P_TRANSMITTANCE_MIN) as f32)
  let alive = rows * columns
  let index = 0
  const list = entries + ((start as usize) << 3)
  while (index < length && alive > 0) {
    const splat = record(records, load<u32>(list + ((index as usize) << 3)))
    const y0 = firstRow(splat, top)
    const y1 = lastRow(splat, top)
    const g0 = firstGroup(splat, left)
    const g1 = lastGroup(splat, left)
    setSplat(vectors, splat, left)
    const l21 = load<f32>(splat, L21)
    const l22 = load<f32>(splat, L22)
    const meanY = load<f32>(splat, Y)
    for (let y = y0; y <= y1; y++) {
      const ey = top + (y as f32) - meanY
      const shift = f32x4.splat(l21 * ey)
      const s = l22 * ey
      const base = f32x4.splat(-s * s)
      for (let g = g0; g <= g1; g++) {
        const t = f32x4.add(v128.load(vectors + ((g as usize) << 4), V_L11_EX), shift)
        const p = f32x4.sub(base, f32x4.mul(t, t))
        const group = state + (((y << 2) + g) as usize) * groupBytes
        const T = v128.load(group)
        let inside = v128.and(f32x4.ge(p, v128.load(vectors, V_CUT)), f32x4.gt(T, f32x4.splat(0)))
        if (!v128.any_true(inside)) continue
        const alpha = f32x4.pmin(weigh(vectors, p), v128.load(vectors, V_ALPHA_MAX))
        let weight = v128.and(f32x4.mul(alpha, T), inside)
        let next = f32x4.sub(T, weight)
        const finished = v128.and(f32x4.lt(next, transmittanceMin), inside)
        if (v128.any_true(finished)) {
          const pixel = (y << 4) + (g << 2)
          const final = at(finals, pixel)
          const end = at(ends, pixel)
          v128.store(final, v128.bitselect(T, v128.load(final), finished))
          v128.store(end, v128.bitselect(i32x4.splat(index), v128.load(end), finished))
          alive -= popcnt(i32x4.bitmask(finished))
          weight = v128.andnot(weight, finished)
          next = v128.andnot(next, finished)
        }
        v128.store(group, next)
        v128.store(group, f32x4.add(v128.load(group, 16), f32x4.mul(weight, v128.load32_splat(splat, RED))), 16)
        v128.store(group, f32x4.add(v128.load(group, 32), f32x4.mul(weight, v128.load32_splat(splat, GREEN))), 32)
        v128.store(group, f32x4.add(v128.load(group, 48), f32x4.mul(weight, v128.load32_splat(splat, BLUE))), 48)
        v128.store(group, f32x4.add(v128.load(group, 64), f32x4.mul(weight, v128.load32_splat(splat, DEPTH))), 64)
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
      const group = state + (((y << 2) + (x >> 2)) as usize) * groupBytes + (((x & 3) as usize) << 2)
      const pixel = (tileY + y) * width + tileX + x
      const end = load<i32>(at(ends, (y << 4) + x))
      const T = end < length ? load<f32>(at(finals, (y << 4) + x)) : load<f32>(group)
      store<f32>(at(image, 3 * pixel), load<f32>(group, 16) + T * red)
      store<f32>(at(image, 3 * pixel + 1), load<f32>(group, 32) + T * green)
      store<f32>(at(image, 3 * pixel + 2), load<f32>(group, 48) + T * blue)
      store<f32>(at(alphas, pixel), 1 - T)
      store<f32>(at(depths, pixel), load<f32>(group, 64))
      store<f32>(at(transmittances, pixel), T)
      store<i32>(at(stops, pixel), end)
    }
  }
}
