// Kernels for the tests of the runtime; not published.
import { at, exp4, sigmoid4 } from './simd'

/** Nothing, for the cost of a launch. */
export function nothing(chunk: i32, scratch: usize): void {}

/** Adds 1 to numbers[chunk]. */
export function count(chunk: i32, scratch: usize, numbers: usize): void {
  store<u32>(at(numbers, chunk), load<u32>(at(numbers, chunk)) + 1)
}

/** Traps in chunk `which`, or in every chunk when it is negative. */
export function trap(chunk: i32, scratch: usize, which: i32): void {
  if (which < 0 || chunk == which) unreachable()
}

/** Reads behind the end of the memory. */
export function outside(chunk: i32, scratch: usize): void {
  store<u32>(scratch, load<u32>(0xfffffffc))
}

/** output = exp(input), then sigmoid(input) behind it; n is a multiple of 4. */
export function exponentials(chunk: i32, scratch: usize, input: usize, output: usize, n: i32): void {
  for (let i = 0; i < n; i += 4) {
    const x = v128.load(at(input, i))
    v128.store(at(output, i), exp4(x))
    v128.store(at(output, n + i), sigmoid4(x))
  }
}
