// Mean over Gaussians of the product of their three scales, and its gradient.
//
// A chunk is BLOCK rows. Products are single precision, their sums double precision per chunk, reduced in chunk order,
// so the result does not depend on the number of threads. `count` is read here: rows behind it are not in use.
const BLOCK = 8192
const ROW: usize = 12

@inline
function rows(count: usize, capacity: i32): i32 {
  return min(load<u32>(count), capacity as u32) as i32
}

/** partials[chunk] (f64) = sum of the products of the chunk's rows of scales // [capacity, 3] */
export function sumVolumes(
  chunk: i32, scratch: usize, scales: usize, count: usize, partials: usize, capacity: i32,
): void {
  const end = min(rows(count, capacity), (chunk + 1) * BLOCK)
  let sum: f64 = 0
  for (let i = chunk * BLOCK; i < end; i++) {
    const p = scales + (i as usize) * ROW
    sum += (load<f32>(p) * load<f32>(p, 4) * load<f32>(p, 8)) as f64
  }
  store<f64>(partials + ((chunk as usize) << 3), sum)
}

/** output[0] = the sum of the partials over the number of rows in use; 0 when there are none. */
export function meanVolume(
  chunk: i32, scratch: usize, partials: usize, count: usize, output: usize, chunks: i32, capacity: i32,
): void {
  const n = rows(count, capacity)
  let sum: f64 = 0
  for (let i = 0; i < chunks; i++) sum += load<f64>(partials + ((i as usize) << 3))
  store<f32>(output, (n > 0 ? sum / (n as f64) : 0) as f32)
}

/** vScales += weight times the gradient of the mean. */
export function volumeBackward(
  chunk: i32, scratch: usize, scales: usize, count: usize, vScales: usize, capacity: i32, weight: f32,
): void {
  const n = rows(count, capacity)
  const end = min(n, (chunk + 1) * BLOCK)
  const each = weight / (n as f32)
  for (let i = chunk * BLOCK; i < end; i++) {
    const p = scales + (i as usize) * ROW
    const v = vScales + (i as usize) * ROW
    const x = load<f32>(p)
    const y = load<f32>(p, 4)
    const z = load<f32>(p, 8)
    store<f32>(v, load<f32>(v) + each * (y * z))
    store<f32>(v, load<f32>(v, 4) + each * (x * z), 4)
    store<f32>(v, load<f32>(v, 8) + each * (x * y), 8)
  }
}
