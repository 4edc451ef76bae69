/** Two rows of a block of which each column gets the smaller value in the first and the larger one in the second. */
type Comparator = readonly [number, number]

/** Columns that are sorted at a time: all rows of a block stay in the cache. */
const blockSize = 2048
const highBits = 0x80808080
const lowBits = 0x7f7f7f7f

/**
 * Of every column of several rows of bytes, all of one length, the value at `place` in ascending order. By a network of
 * comparators, which are the same for all columns, so that four columns are compared at once in a word.
 */
export function selectColumns(rows: readonly Uint8Array[], place: number): Uint8Array {
  const size = rows[0]?.length ?? 0
  const selected = new Uint8Array(size)
  const network = selectionNetwork(rows.length, place)
  const block = new Uint8Array(blockSize * rows.length)
  const words = rows.map((_, row) => new Int32Array(block.buffer, row * blockSize, blockSize / 4))
  for (let first = 0; first < size; first += blockSize) {
    const last = Math.min(first + blockSize, size)
    rows.forEach((row, i) => {
      block.set(row.subarray(first, last), i * blockSize)
    })
    for (const [i, j] of network) compareRows(words[i]!, words[j]!)
    selected.set(block.subarray(place * blockSize, place * blockSize + last - first), first)
  }
  return selected
}

/** Puts the smaller bytes in `low` and the larger ones in `high`. */
function compareRows(low: Int32Array, high: Int32Array): void {
  for (let i = 0; i < low.length; i++) {
    const a = low[i]!
    const b = high[i]!
    const differ = a ^ b
    // The high bit of a byte of `rest` is set where the other seven bits of a are not below those of b: no byte borrows.
    const rest = (a | highBits) - (b & lowBits)
    const notBelow = ((a & ~b) | (~differ & rest)) & highBits
    // All bits of the bytes that change places.
    const swapped = differ & ((notBelow << 1) - (notBelow >>> 7))
    low[i] = a ^ swapped
    high[i] = b ^ swapped
  }
}

/** Batcher's odd-even merges (1968) for any number of rows, without the comparators that `place` does not depend on. */
function selectionNetwork(rows: number, place: number): Comparator[] {
  const sorting: Comparator[] = []
  for (let merged = 1; merged < rows; merged *= 2) {
    for (let apart = merged; apart >= 1; apart /= 2) {
      for (let start = apart % merged; start + apart < rows; start += 2 * apart) {
        for (let low = start; low < Math.min(start + apart, rows - apart); low++) {
          const high = low + apart
          if (Math.floor(low / (2 * merged)) === Math.floor(high / (2 * merged))) sorting.push([low, high])
        }
      }
    }
  }
  const needed = new Set([place])
  const network = sorting.reverse().filter(([low, high]) => {
    if (!needed.has(low) && !needed.has(high)) return false
    needed.add(low).add(high)
    return true
  })
  return network.reverse()
}
