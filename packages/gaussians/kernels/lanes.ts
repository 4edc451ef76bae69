// Three floats in the lower lanes of a vector: loads and stores that touch no fourth element.

// @ts-ignore: decorator
@inline
export function load3(address: usize): v128 {
  return v128.load32_lane(address, v128.load64_zero(address), 2, 8)
}

// @ts-ignore: decorator
@inline
export function store3(address: usize, value: v128): void {
  v128.store64_lane(address, value, 0)
  v128.store32_lane(address, value, 2, 8)
}

/** Address of row `row` of rows of `width` 4-byte elements. */
// @ts-ignore: decorator
@inline
export function rowAt(base: usize, row: u32, width: u32): usize {
  return base + (((row as usize) * (width as usize)) << 2)
}
