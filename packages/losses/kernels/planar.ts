// Four interleaved triples (12 floats) as three vectors of one component each, and back.

@inline
export function first(a: v128, b: v128, c: v128): v128 {
  return v128.shuffle<f32>(v128.shuffle<f32>(a, b, 0, 3, 6, 6), c, 0, 1, 2, 5)
}

@inline
export function second(a: v128, b: v128, c: v128): v128 {
  return v128.shuffle<f32>(v128.shuffle<f32>(a, b, 1, 4, 7, 7), c, 0, 1, 2, 6)
}

@inline
export function third(a: v128, b: v128, c: v128): v128 {
  return v128.shuffle<f32>(v128.shuffle<f32>(a, b, 2, 5, 5, 5), c, 0, 1, 4, 7)
}

/** Stores components x, y, z of four triples interleaved. */
@inline
export function storeTriples(p: usize, x: v128, y: v128, z: v128): void {
  const xyLow = v128.shuffle<f32>(x, y, 0, 4, 1, 5)
  const xyHigh = v128.shuffle<f32>(x, y, 2, 6, 3, 7)
  v128.store(p, v128.shuffle<f32>(xyLow, z, 0, 1, 4, 2))
  v128.store(p, v128.shuffle<f32>(v128.shuffle<f32>(xyLow, z, 3, 5, 5, 5), xyHigh, 0, 1, 4, 5), 16)
  v128.store(p, v128.shuffle<f32>(xyHigh, z, 6, 2, 3, 7), 32)
}
