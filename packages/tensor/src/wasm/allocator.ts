import { OutOfMemoryError } from '../errors.js'

const page = 65536
const alignment = 64

interface Block {
  at: number
  size: number
}

/**
 * Hands out the address space of one WebAssembly memory: best fit over an address-ordered list of free blocks,
 * neighbours merged on release. Blocks are multiples of 64 bytes and 64-byte aligned.
 */
export class Allocator {
  bytesInUse = 0
  peakBytes = 0
  readonly #free: Block[] = []
  #end: number

  constructor(
    readonly memory: WebAssembly.Memory,
    reserved: number,
    readonly limit: number,
  ) {
    this.#end = memory.buffer.byteLength
    this.#release({ at: reserved, size: this.#end - reserved })
  }

  /** The address of at least `bytes` bytes. */
  allocate(bytes: number): number {
    const size = roundUp(Math.max(bytes, 1))
    let best = this.#bestFit(size)
    if (best < 0) {
      this.#grow(size)
      best = this.#bestFit(size)
    }
    const block = this.#free[best]!
    const at = block.at
    if (block.size === size) this.#free.splice(best, 1)
    else {
      block.at += size
      block.size -= size
    }
    this.bytesInUse += size
    this.peakBytes = Math.max(this.peakBytes, this.bytesInUse)
    return at
  }

  free(at: number, bytes: number): void {
    const size = roundUp(Math.max(bytes, 1))
    this.bytesInUse -= size
    this.#release({ at, size })
  }

  #bestFit(size: number): number {
    let best = -1
    for (let i = 0; i < this.#free.length; i++) {
      const block = this.#free[i]!
      if (block.size >= size && (best < 0 || block.size < this.#free[best]!.size)) best = i
    }
    return best
  }

  #grow(size: number): void {
    const last = this.#free.at(-1)
    const tail = last && last.at + last.size === this.#end ? last.size : 0
    const room = this.limit - this.#end
    const needed = Math.ceil((size - tail) / page) * page
    const wanted = Math.min(room, Math.max(needed, Math.ceil(this.#end / 4 / page) * page))
    if (needed > room || !(this.#tryGrow(wanted) || this.#tryGrow(needed))) {
      const largest = this.#free.reduce((most, block) => Math.max(most, block.size), 0)
      throw new OutOfMemoryError('wasm', size, this.bytesInUse, this.limit, Math.max(largest, tail + room))
    }
  }

  #tryGrow(bytes: number): boolean {
    try {
      this.memory.grow(bytes / page)
    } catch (error) {
      if (error instanceof RangeError) return false
      throw error
    }
    this.#release({ at: this.#end, size: bytes })
    this.#end += bytes
    return true
  }

  #release(block: Block): void {
    let low = 0
    let high = this.#free.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#free[middle]!.at < block.at) low = middle + 1
      else high = middle
    }
    const before = this.#free[low - 1]
    const after = this.#free[low]
    const joinsAfter = after !== undefined && block.at + block.size === after.at
    if (before && before.at + before.size === block.at) {
      before.size += block.size
      if (joinsAfter) {
        before.size += after.size
        this.#free.splice(low, 1)
      }
    } else if (joinsAfter) {
      after.at = block.at
      after.size += block.size
    } else this.#free.splice(low, 0, block)
  }
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment
}
