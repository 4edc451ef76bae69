import { ArgumentError } from '@clipgstream/tensor'

/** Sums of a cell: weight, x, y, z, red, green, blue, normal. */
const width = 10

/** Averages coloured points per voxel floor(p / edge), in the order in which voxels are first met. */
export class VoxelGrid {
  #cells = new Int32Array(3 * 1024)
  #sums = new Float64Array(width * 1024)
  #slots = new Int32Array(2048).fill(-1)
  #size = 0

  /** edge: world units */
  constructor(readonly edge: number) {
    if (!(edge > 0 && edge < Number.POSITIVE_INFINITY))
      throw new ArgumentError('VoxelGrid', 'edge', edge, 'a positive finite number')
  }

  get size(): number {
    return this.#size
  }

  /** Adds a point: position, colour 0 to 255, normal, weight. Points beyond 2^30 cells from the origin are left out. */
  add(
    ...[x, y, z, red, green, blue, nx, ny, nz, weight]: readonly [
      ...[number, number, number],
      ...[number, number, number],
      ...[number, number, number],
      number,
    ]
  ): void {
    const limit = 2 ** 30 * this.edge
    if (!(Math.abs(x) < limit && Math.abs(y) < limit && Math.abs(z) < limit)) return
    const cell = this.#cell(Math.floor(x / this.edge), Math.floor(y / this.edge), Math.floor(z / this.edge))
    const sums = this.#sums
    const at = width * cell
    sums[at] = sums[at]! + weight
    sums[at + 1] = sums[at + 1]! + weight * x
    sums[at + 2] = sums[at + 2]! + weight * y
    sums[at + 3] = sums[at + 3]! + weight * z
    sums[at + 4] = sums[at + 4]! + weight * red
    sums[at + 5] = sums[at + 5]! + weight * green
    sums[at + 6] = sums[at + 6]! + weight * blue
    sums[at + 7] = sums[at + 7]! + weight * nx
    sums[at + 8] = sums[at + 8]! + weight * ny
    sums[at + 9] = sums[at + 9]! + weight * nz
  }

  /** The sums of a cell, ten numbers: weight, then weighted position, colour and normal. */
  sumsOf(cell: number): Float64Array {
    return this.#sums.subarray(width * cell, width * (cell + 1))
  }

  /** How many of the 26 cells around one are occupied. */
  neighboursOf(cell: number): number {
    return this.#around(this.#cells[3 * cell]!, this.#cells[3 * cell + 1]!, this.#cells[3 * cell + 2]!)
  }

  /** How many of the 26 cells around that of a place are occupied. */
  neighboursAt(x: number, y: number, z: number): number {
    return this.#around(Math.floor(x / this.edge), Math.floor(y / this.edge), Math.floor(z / this.edge))
  }

  /** Adds the sums of a cell of another grid, as one point at their mean. */
  addSums(sums: Float64Array): void {
    const weight = sums[0]!
    const mean = (i: number) => sums[i]! / weight
    this.add(mean(1), mean(2), mean(3), mean(4), mean(5), mean(6), mean(7), mean(8), mean(9), weight)
  }

  /** Whether a cell's mean lies within half an edge of that of `sums`, each channel of its colour within `difference`. */
  hasLike(sums: Float64Array, difference: number): boolean {
    const weight = sums[0]!
    const [x, y, z] = [sums[1]! / weight, sums[2]! / weight, sums[3]! / weight]
    const near = (value: number) => Math.floor(value / this.edge - 0.5)
    const [i, j, k] = [near(x), near(y), near(z)]
    for (let corner = 0; corner < 8; corner++) {
      const cell = this.#slots[this.#slot(i + (corner & 1), j + ((corner >> 1) & 1), k + (corner >> 2))]!
      if (cell < 0) continue
      const at = width * cell
      const other = this.#sums
      const per = 1 / other[at]!
      const distance = Math.hypot(other[at + 1]! * per - x, other[at + 2]! * per - y, other[at + 3]! * per - z)
      if (distance > 0.5 * this.edge) continue
      const isLike = (c: number) => Math.abs(other[at + c]! * per - sums[c]! / weight) <= difference
      if (isLike(4) && isLike(5) && isLike(6)) return true
    }
    return false
  }

  /** The same points in voxels of another size, as far as their means tell. */
  withEdge(edge: number): VoxelGrid {
    const grid = new VoxelGrid(edge)
    for (let cell = 0; cell < this.#size; cell++) grid.addSums(this.sumsOf(cell))
    return grid
  }

  #around(x: number, y: number, z: number): number {
    let count = 0
    for (let i = -1; i <= 1; i++) {
      for (let j = -1; j <= 1; j++) {
        for (let k = -1; k <= 1; k++) {
          if ((i !== 0 || j !== 0 || k !== 0) && this.#slots[this.#slot(x + i, y + j, z + k)]! >= 0) count++
        }
      }
    }
    return count
  }

  #cell(x: number, y: number, z: number): number {
    const slot = this.#slot(x, y, z)
    const known = this.#slots[slot]!
    if (known >= 0) return known
    const cell = this.#size++
    this.#slots[slot] = cell
    this.#cells[3 * cell] = x
    this.#cells[3 * cell + 1] = y
    this.#cells[3 * cell + 2] = z
    if (2 * this.#size >= this.#slots.length) this.#grow()
    return cell
  }

  #slot(x: number, y: number, z: number): number {
    const mask = this.#slots.length - 1
    let hash = Math.imul(x, 0x9e3779b1) ^ Math.imul(y, 0x85ebca77) ^ Math.imul(z, 0xc2b2ae3d)
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    let slot = (hash ^ (hash >>> 13)) & mask
    for (;;) {
      const cell = this.#slots[slot]!
      if (cell < 0) return slot
      const at = 3 * cell
      if (this.#cells[at] === x && this.#cells[at + 1] === y && this.#cells[at + 2] === z) return slot
      slot = (slot + 1) & mask
    }
  }

  #grow(): void {
    const cells = new Int32Array(2 * this.#cells.length)
    cells.set(this.#cells)
    this.#cells = cells
    const sums = new Float64Array(2 * this.#sums.length)
    sums.set(this.#sums)
    this.#sums = sums
    this.#slots = new Int32Array(2 * this.#slots.length).fill(-1)
    for (let i = 0; i < this.#size; i++) {
      this.#slots[this.#slot(cells[3 * i]!, cells[3 * i + 1]!, cells[3 * i + 2]!)] = i
    }
  }
}
