/**
 * The value that would be at `place` if values[first..last] were in ascending order; they are moved around between the two.
 * By halves: what is smaller than a pivot goes to its left, until the pivot lies there.
 */
export function selectInPlace(values: Float64Array, place: number, first: number, last: number): number {
  let [from, to] = [first, last]
  while (from < to) {
    const pivot = values[(from + to) >> 1]!
    let i = from
    let j = to
    while (i <= j) {
      while (values[i]! < pivot) i++
      while (values[j]! > pivot) j--
      if (i > j) break
      const value = values[i]!
      values[i++] = values[j]!
      values[j--] = value
    }
    if (place <= j) to = j
    else if (place >= i) from = i
    else break
  }
  return values[place]!
}
