import { OutOfMemoryError } from '../errors.js'
import { CudaError } from './cuda-error.js'
import type { Driver } from './driver.js'

const outOfMemory = 2
const smallest = 512
const largestStep = 32 << 20

/**
 * Device memory by size class. Freed blocks are kept and handed out again at once, which is safe because all work of a
 * device is ordered; while a fork is open they wait for its join. When the GPU has nothing left, the kept blocks go
 * back to it first.
 */
export class MemoryPool {
  bytesInUse = 0
  peakBytes = 0
  readonly #kept = new Map<number, number[]>()
  /** Size of every block that came from the driver. */
  readonly #sizes = new Map<number, number>()
  readonly #owners = new Map<number, Arena>()
  readonly #waiting: number[] = []
  #forks = 0
  #arena: Arena | undefined

  constructor(
    private readonly driver: Driver,
    private readonly label: string,
  ) {}

  /** An address of at least `bytes` bytes, 512-byte aligned; 0 for none. */
  allocate(bytes: number): number {
    if (bytes === 0) return 0
    const size = sizeClass(bytes)
    const reused = this.#arena?.take(size)
    if (reused !== undefined) return reused
    const address = this.#kept.get(size)?.pop() ?? this.#fromDriver(size)
    this.bytesInUse += size
    this.peakBytes = Math.max(this.peakBytes, this.bytesInUse)
    if (this.#arena) {
      this.#arena.adopt(address, size)
      this.#owners.set(address, this.#arena)
    }
    return address
  }

  free(address: number): void {
    if (address === 0) return
    if (this.#forks > 0) this.#waiting.push(address)
    else this.#reuse(address)
    if (!this.#owners.has(address)) this.bytesInUse -= this.#sizes.get(address) ?? 0
  }

  /** From now to the matching `join`, freed blocks are not handed out again. */
  fork(): void {
    this.#forks++
  }

  join(): void {
    this.#forks--
    if (this.#forks === 0) for (const address of this.#waiting.splice(0)) this.#reuse(address)
  }

  /** Blocks that are allocated until `closeArena` belong to it and are handed out only inside, until it is released. */
  openArena(): Arena {
    this.#arena = new Arena()
    return this.#arena
  }

  closeArena(): void {
    this.#arena = undefined
  }

  /** Blocks of tensors that are still alive become ordinary ones, the others are kept for anyone. */
  releaseArena(arena: Arena): void {
    for (const [address, size] of arena.blocks) {
      this.#owners.delete(address)
      if (arena.isLive(address)) continue
      this.bytesInUse -= size
      this.#reuse(address)
    }
    arena.blocks.clear()
  }

  /** Gives kept blocks back to the GPU. */
  trim(): void {
    for (const blocks of this.#kept.values()) {
      for (const address of blocks) {
        this.#sizes.delete(address)
        this.driver.call('cuMemFree_v2', address)
      }
    }
    this.#kept.clear()
  }

  /** Gives everything back, live tensors included. */
  dispose(): void {
    for (const address of this.#sizes.keys()) this.driver.raw('cuMemFree_v2', address)
    this.#sizes.clear()
    this.#kept.clear()
    this.#owners.clear()
    this.bytesInUse = 0
  }

  #reuse(address: number): void {
    const owner = this.#owners.get(address)
    if (owner) {
      owner.give(address)
      return
    }
    const size = this.#sizes.get(address)
    // A tensor may be disposed after its device.
    if (size === undefined) return
    const kept = this.#kept.get(size)
    if (kept) kept.push(address)
    else this.#kept.set(size, [address])
  }

  #fromDriver(size: number): number {
    const out = new BigUint64Array(1)
    let code = this.driver.raw('cuMemAlloc_v2', out, size)
    if (code === outOfMemory) {
      this.trim()
      code = this.driver.raw('cuMemAlloc_v2', out, size)
    }
    if (code === outOfMemory) {
      const { free, total } = memoryInfo(this.driver)
      throw new OutOfMemoryError(this.label, size, this.bytesInUse, total, free)
    }
    if (code !== 0) throw new CudaError('cuMemAlloc_v2', code, this.driver.nameOf(code))
    const address = Number(out[0])
    this.#sizes.set(address, size)
    return address
  }
}

/** The blocks of one captured graph, which writes them again at every launch. */
export class Arena {
  readonly blocks = new Map<number, number>()
  readonly #free = new Map<number, number[]>()
  readonly #live = new Set<number>()

  isLive(address: number): boolean {
    return this.#live.has(address)
  }

  take(size: number): number | undefined {
    const address = this.#free.get(size)?.pop()
    if (address !== undefined) this.#live.add(address)
    return address
  }

  adopt(address: number, size: number): void {
    this.blocks.set(address, size)
    this.#live.add(address)
  }

  give(address: number): void {
    const size = this.blocks.get(address)
    if (size === undefined || !this.#live.delete(address)) return
    const free = this.#free.get(size)
    if (free) free.push(address)
    else this.#free.set(size, [address])
  }
}

/** Bytes of the GPU that are free, and all. */
export function memoryInfo(driver: Driver): { free: number; total: number } {
  const free = new BigUint64Array(1)
  const total = new BigUint64Array(1)
  driver.call('cuMemGetInfo_v2', free, total)
  return { free: Number(free[0]), total: Number(total[0]) }
}

/** Steps of an eighth of a power of two: few classes, at most an eighth lost. */
function sizeClass(bytes: number): number {
  const step = Math.min(largestStep, Math.max(smallest, 2 ** (Math.floor(Math.log2(bytes)) - 3)))
  return Math.ceil(bytes / step) * step
}
