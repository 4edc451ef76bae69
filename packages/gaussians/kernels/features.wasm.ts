// Rows for the field and for the decoders, gathered by the list of visible anchors, and the way back.
//
// A chunk covers `rows` visible anchors. Every visible anchor occurs once in the list, so that the way back adds to rows
// of the anchors without conflicts and in no order that could matter. Rows behind count[0] are left alone.
import { at } from '../../tensor/kernels/simd'
import { load3, rowAt } from './lanes'

/** points[row] = ((a - min) / (max - min), time); 0 along an axis without extent. */
export function fieldPoints(
  chunk: i32, scratch: usize,
  count: usize, indices: usize, positions: usize, points: usize, rows: i32,
  minX: f32, minY: f32, minZ: f32, maxX: f32, maxY: f32, maxZ: f32, time: f32,
): void {
  const low = f32x4(minX, minY, minZ, 0)
  const extent = f32x4.sub(f32x4(maxX, maxY, maxZ, 0), low)
  const flat = f32x4.eq(extent, f32x4.splat(0))
  const divisor = v128.bitselect(f32x4.splat(1), extent, flat)
  const end = min<u32>(load<u32>(count), (chunk + 1) * rows)
  for (let row: u32 = chunk * rows; row < end; row++) {
    const position = load3(rowAt(positions, load<u32>(at(indices, row)), 3))
    const unit = v128.andnot(f32x4.div(f32x4.sub(position, low), divisor), flat)
    v128.store(rowAt(points, row, 4), f32x4.replace_lane(unit, 3, time))
  }
}

@inline
function copyRow(from: usize, to: usize, width: u32): void {
  let i: u32 = 0
  for (; i + 4 <= width; i += 4) v128.store(at(to, i), v128.load(at(from, i)))
  for (; i < width; i++) store<f32>(at(to, i), load<f32>(at(from, i)))
}

@inline
function addRow(from: usize, to: usize, width: u32): void {
  let i: u32 = 0
  for (; i + 4 <= width; i += 4) v128.store(at(to, i), f32x4.add(v128.load(at(to, i)), v128.load(at(from, i))))
  for (; i < width; i++) store<f32>(at(to, i), load<f32>(at(to, i)) + load<f32>(at(from, i)))
}

/** combined[row] = [fixed[indices[row]] ; dynamic[row]] */
export function concatenate(
  chunk: i32, scratch: usize,
  count: usize, indices: usize, fixed: usize, dynamic: usize, combined: usize, cs: u32, cd: u32, rows: i32,
): void {
  const end = min<u32>(load<u32>(count), (chunk + 1) * rows)
  for (let row: u32 = chunk * rows; row < end; row++) {
    const to = rowAt(combined, row, cs + cd)
    copyRow(rowAt(fixed, load<u32>(at(indices, row)), cs), to, cs)
    copyRow(rowAt(dynamic, row, cd), at(to, cs), cd)
  }
}

/** vDynamic[row] = vCombined[row][cs ..]; vFixed[indices[row]] += vCombined[row][.. cs], unless vFixed is 0. */
export function concatenateBackward(
  chunk: i32, scratch: usize,
  count: usize, indices: usize, vCombined: usize, vFixed: usize, vDynamic: usize, cs: u32, cd: u32, rows: i32,
): void {
  const end = min<u32>(load<u32>(count), (chunk + 1) * rows)
  for (let row: u32 = chunk * rows; row < end; row++) {
    const from = rowAt(vCombined, row, cs + cd)
    if (vFixed) addRow(from, rowAt(vFixed, load<u32>(at(indices, row)), cs), cs)
    copyRow(at(from, cs), rowAt(vDynamic, row, cd), cd)
  }
}

/** combined[row] = fixed[indices[row]] + dynamic[row] */
export function add(
  chunk: i32, scratch: usize,
  count: usize, indices: usize, fixed: usize, dynamic: usize, combined: usize, width: u32, rows: i32,
): void {
  const end = min<u32>(load<u32>(count), (chunk + 1) * rows)
  for (let row: u32 = chunk * rows; row < end; row++) {
    const to = rowAt(combined, row, width)
    copyRow(rowAt(dynamic, row, width), to, width)
    addRow(rowAt(fixed, load<u32>(at(indices, row)), width), to, width)
  }
}

/** vDynamic[row] = vCombined[row]; vFixed[indices[row]] += vCombined[row], unless vFixed is 0. */
export function addBackward(
  chunk: i32, scratch: usize,
  count: usize, indices: usize, vCombined: usize, vFixed: usize, vDynamic: usize, width: u32, rows: i32,
): void {
  const end = min<u32>(load<u32>(count), (chunk + 1) * rows)
  for (let row: u32 = chunk * rows; row < end; row++) {
    const from = rowAt(vCombined, row, width)
    if (vFixed) addRow(from, rowAt(vFixed, load<u32>(at(indices, row)), width), width)
    copyRow(from, rowAt(vDynamic, row, width), width)
  }
}

/** to[row] += from[row] of the first count[0] rows. */
export function addRows(
  chunk: i32, scratch: usize, count: usize, to: usize, from: usize, width: u32, rows: i32,
): void {
  const first: u32 = chunk * rows
  const end = min<u32>(load<u32>(count), first + rows)
  addRow(rowAt(from, first, width), rowAt(to, first, width), (end - first) * width)
}
