import type { Tensor } from '@clipgstream/tensor'

/**
 * Throws unless rivals computed the same: the root mean square difference must be at most `tolerance` times the root
 * mean square of `expected`. Run once before timing; the exact comparisons are in the tests of the packages.
 */
export function agree(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-4): void {
  if (actual.length !== expected.length)
    throw new Error(`${what}: ${actual.length} values against ${expected.length} of the rival`)
  let difference = 0
  let size = 0
  for (let i = 0; i < expected.length; i++) {
    const e = expected[i] ?? Number.NaN
    difference += ((actual[i] ?? Number.NaN) - e) ** 2
    size += e * e
  }
  const relative = Math.sqrt(difference / size)
  if (!(relative <= tolerance)) throw new Error(`${what}: rivals differ by ${relative}, allowed is ${tolerance}`)
}

/** The same for a tensor, of which the first rows are compared when `expected` is shorter. */
export async function agreeWith(
  tensor: Tensor<'f32'>,
  expected: ArrayLike<number>,
  what: string,
  tolerance?: number,
): Promise<void> {
  agree(what, await tensor.device.read(tensor, 0, Math.min(tensor.size, expected.length)), expected, tolerance)
}
