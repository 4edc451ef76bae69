import type { Driver } from './driver.js'
import type { Arena, MemoryPool } from './pool.js'

/**
 * Enqueued work that was captured and is repeated by one call, with the same addresses and numbers. Tensors made while
 * it was captured keep their memory until the graph is disposed.
 */
export class CudaGraph implements Disposable {
  #executable: number

  constructor(
    private readonly driver: Driver,
    private readonly pool: MemoryPool,
    private readonly arena: Arena,
    graph: number,
    private readonly streamNow: () => number,
  ) {
    this.#executable = driver.handle('cuGraphInstantiateWithFlags', graph, 0)
  }

  launch(): void {
    this.driver.call('cuGraphLaunch', this.#executable, this.streamNow())
  }

  dispose(): void {
    if (this.#executable === 0) return
    this.driver.raw('cuGraphExecDestroy', this.#executable)
    this.#executable = 0
    this.pool.releaseArena(this.arena)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

const relaxed = 2

/** Runs `work` with its launches recorded instead of run. */
export function captureGraph(
  driver: Driver,
  pool: MemoryPool,
  stream: number,
  streamNow: () => number,
  work: () => void,
): CudaGraph {
  const arena = pool.openArena()
  let capturing = false
  let graph = 0
  try {
    driver.call('cuStreamBeginCapture_v2', stream, relaxed)
    capturing = true
    work()
    const out = new BigUint64Array(1)
    capturing = false
    driver.call('cuStreamEndCapture', stream, out)
    graph = Number(out[0])
    return new CudaGraph(driver, pool, arena, graph, streamNow)
  } catch (error) {
    if (capturing) {
      const out = new BigUint64Array(1)
      driver.raw('cuStreamEndCapture', stream, out)
      graph = Number(out[0])
    }
    pool.releaseArena(arena)
    throw error
  } finally {
    pool.closeArena()
    if (graph !== 0) driver.raw('cuGraphDestroy', graph)
  }
}
