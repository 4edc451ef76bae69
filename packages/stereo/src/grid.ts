import { ArgumentError } from '@clipgstream/tensor'

/** Numbers of a point: position, colour 0 to 255, normal, weight. Of a cell: the weighted sums of the nine, that of the weights. */
export const pointSize = 10

/** Points that are best added together. */
export const batch = 1024

/** The 26 cells around one, three numbers each: those that share a face first, which surfaces go on through most. */
const around = Int32Array.from(
  Array.from({ length: 27 }, (_, i) => [(i % 3) - 1, (Math.floor(i / 3) % 3) - 1, Math.floor(i / 9) - 1])
    .map((offset) => ({ offset, steps: offset.filter((value) => value !== 0).length }))
    .filter(({ steps }) => steps > 0)
    .sort((a, b) => a.steps - b.steps)
    .flatMap(({ offset }) => offset),
)

/** Averages coloured points per voxel floor(p / edge), in the order in which voxels are first met. */
export class VoxelGrid {
  #cells = new Int32Array(3 * 1024)
  #sums = new Float64Array(pointSize * 1024)
  #slots = new Int32Array(2048).fill(-1)
  #found = new Int32Array(0)
  #size = 0

  /** edge: world units */
  constructor(readonly edge: number) {
    if (!(edge > 0 && edge < Number.POSITIVE_INFINITY))
      throw new ArgumentError('VoxelGrid', 'edge', edge, 'a positive finite number')
  }

  get size(): number {
    return this.#size
  }

  /** [size, 10] the sums of all cells; valid until a point is added. */
  get sums(): Float64Array {
    return this.#sums.subarray(0, pointSize * this.#size)
  }

  /** Adds points // [count, 10]. Those beyond 2^30 cells from the origin are left out. */
  add(points: Float64Array, count: number): void {
    // All cells first: what a look-up waits for is memory, and many can wait at once.
    const cells = this.#cellsOf(points, count)
    const sums = this.#sums
    for (let i = 0, from = 0; i < count; i++, from += pointSize) {
      const cell = cells[i]!
      if (cell < 0) continue
      const at = pointSize * cell
      const weight = points[from + 9]!
      sums[at] = sums[at]! + weight * points[from]!
      sums[at + 1] = sums[at + 1]! + weight * points[from + 1]!
      sums[at + 2] = sums[at + 2]! + weight * points[from + 2]!
      sums[at + 3] = sums[at + 3]! + weight * points[from + 3]!
      sums[at + 4] = sums[at + 4]! + weight * points[from + 4]!
      sums[at + 5] = sums[at + 5]! + weight * points[from + 5]!
      sums[at + 6] = sums[at + 6]! + weight * points[from + 6]!
      sums[at + 7] = sums[at + 7]! + weight * points[from + 7]!
      sums[at + 8] = sums[at + 8]! + weight * points[from + 8]!
      sums[at + 9] = sums[at + 9]! + weight
    }
  }

  /** Writes cells from `first` on as points, each at its mean. points // [count, 10] */
  meansOf(first: number, count: number, points: Float64Array): void {
    const sums = this.#sums
    for (let cell = first, to = 0; cell < first + count; cell++, to += pointSize) {
      const at = pointSize * cell
      const weight = sums[at + 9]!
      for (let i = 0; i < 9; i++) points[to + i] = sums[at + i]! / weight
      points[to + 9] = weight
    }
  }

  /** Whether at least `fewest` of the 26 cells around one are occupied. */
  hasNeighbours(cell: number, fewest: number): boolean {
    // Cells that were met one after the other mostly lie side by side: that takes no look-up.
    const side = (this.#touch(cell, cell - 1) ? 1 : 0) + (this.#touch(cell, cell + 1) ? 1 : 0)
    if (side >= fewest) return true
    const cells = this.#cells
    return this.#hasAround(cells[3 * cell]!, cells[3 * cell + 1]!, cells[3 * cell + 2]!, fewest)
  }

  /** Whether at least `fewest` of the 26 cells around that of a place are occupied. */
  hasNeighboursAt(x: number, y: number, z: number, fewest: number): boolean {
    const { edge } = this
    return this.#hasAround(Math.floor(x / edge), Math.floor(y / edge), Math.floor(z / edge), fewest)
  }

  /** Whether a cell's mean lies within half an edge of a point // [10], each channel of its colour within `difference`. */
  hasLike(point: Float64Array, difference: number): boolean {
    const [x, y, z] = [point[0]!, point[1]!, point[2]!]
    const near = (value: number) => Math.floor(value / this.edge - 0.5)
    const [i, j, k] = [near(x), near(y), near(z)]
    for (let corner = 0; corner < 8; corner++) {
      const cell = this.#find(i + (corner & 1), j + ((corner >> 1) & 1), k + (corner >> 2))
      if (cell < 0) continue
      const at = pointSize * cell
      const sums = this.#sums
      const per = 1 / sums[at + 9]!
      const distance = Math.hypot(sums[at]! * per - x, sums[at + 1]! * per - y, sums[at + 2]! * per - z)
      if (distance > 0.5 * this.edge) continue
      const isLike = (c: number) => Math.abs(sums[at + c]! * per - point[c]!) <= difference
      if (isLike(3) && isLike(4) && isLike(5)) return true
    }
    return false
  }

  /** The same points in voxels of another size, as far as their means tell. */
  withEdge(edge: number): VoxelGrid {
    const grid = new VoxelGrid(edge)
    const points = new Float64Array(pointSize * Math.min(batch, this.#size))
    for (let first = 0; first < this.#size; first += batch) {
      const count = Math.min(batch, this.#size - first)
      this.meansOf(first, count, points)
      grid.add(points, count)
    }
    return grid
  }

  /** The cells of points, made where there are none; -1 for points that are left out. */
  #cellsOf(points: Float64Array, count: number): Int32Array {
    const { edge } = this
    const limit = 2 ** 30 * edge
    if (this.#found.length < count) this.#found = new Int32Array(count)
    const found = this.#found
    for (let i = 0, from = 0; i < count; i++, from += pointSize) {
      const x = points[from]!
      const y = points[from + 1]!
      const z = points[from + 2]!
      const held = Math.abs(x) < limit && Math.abs(y) < limit && Math.abs(z) < limit
      found[i] = held ? this.#cell(Math.floor(x / edge), Math.floor(y / edge), Math.floor(z / edge)) : -1
    }
    return found
  }

  /** Whether two different cells share a face, an edge or a corner. */
  #touch(a: number, b: number): boolean {
    if (b < 0 || b >= this.#size) return false
    const cells = this.#cells
    for (let axis = 0; axis < 3; axis++) {
      if (Math.abs(cells[3 * a + axis]! - cells[3 * b + axis]!) > 1) return false
    }
    return true
  }

  #hasAround(x: number, y: number, z: number, fewest: number): boolean {
    let missing = fewest
    for (let i = 0; missing > 0 && i < around.length; i += 3) {
      if (this.#find(x + around[i]!, y + around[i + 1]!, z + around[i + 2]!) >= 0) missing--
    }
    return missing <= 0
  }

  /** The cell at a place of the grid, -1 where nothing is. */
  #find(x: number, y: number, z: number): number {
    return this.#slots[this.#slot(x, y, z)]!
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
    const slots = this.#slots
    const cells = this.#cells
    const mask = slots.length - 1
    let hash = Math.imul(x, 0x9e3779b1) ^ Math.imul(y, 0x85ebca77) ^ Math.imul(z, 0xc2b2ae3d)
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    let slot = (hash ^ (hash >>> 13)) & mask
    for (;;) {
      const cell = slots[slot]!
      if (cell < 0) return slot
      const at = 3 * cell
      if (cells[at] === x && cells[at + 1] === y && cells[at + 2] === z) return slot
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
