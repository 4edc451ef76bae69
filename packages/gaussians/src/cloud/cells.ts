import { ArgumentError } from '@clipgstream/tensor'

/** Numbers the cells of an endless integer grid in the order in which they are first seen (open addressing). */
export class CellNumbering {
  #cells = new Int32Array(3 * 1024)
  #slots = new Int32Array(2048).fill(-1)
  #size = 0

  /** Cells seen. */
  get size(): number {
    return this.#size
  }

  /** The number of the cell, -1 when it has not been seen. */
  find(x: number, y: number, z: number): number {
    return this.#slots[this.#slot(x, y, z)]!
  }

  /** The number of the cell; a new cell gets the next one. */
  add(x: number, y: number, z: number): number {
    const slot = this.#slot(x, y, z)
    const known = this.#slots[slot]!
    if (known >= 0) return known
    const number = this.#size++
    this.#slots[slot] = number
    this.#cells[3 * number] = x
    this.#cells[3 * number + 1] = y
    this.#cells[3 * number + 2] = z
    if (2 * this.#size >= this.#slots.length) this.#grow()
    return number
  }

  #slot(x: number, y: number, z: number): number {
    const mask = this.#slots.length - 1
    let hash = Math.imul(x, 0x9e3779b1) ^ Math.imul(y, 0x85ebca77) ^ Math.imul(z, 0xc2b2ae3d)
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    let slot = (hash ^ (hash >>> 13)) & mask
    for (;;) {
      const number = this.#slots[slot]!
      if (number < 0) return slot
      const at = 3 * number
      if (this.#cells[at] === x && this.#cells[at + 1] === y && this.#cells[at + 2] === z) return slot
      slot = (slot + 1) & mask
    }
  }

  #grow(): void {
    const cells = new Int32Array(2 * this.#cells.length)
    cells.set(this.#cells)
    this.#cells = cells
    this.#slots = new Int32Array(2 * this.#slots.length).fill(-1)
    for (let i = 0; i < this.#size; i++) {
      this.#slots[this.#slot(cells[3 * i]!, cells[3 * i + 1]!, cells[3 * i + 2]!)] = i
    }
  }
}

/** Refuses cells so small that their coordinates leave 32 bits. */
export function checkCells(operator: string, name: string, edge: number, positions: Float32Array): void {
  let largest = 0
  for (let i = 0; i < positions.length; i++) largest = Math.max(largest, Math.abs(positions[i]!))
  if (largest / edge >= 2 ** 31 - 1) {
    throw new ArgumentError(operator, name, edge, `above ${largest / 2 ** 31}, since coordinates reach ${largest}`)
  }
}
