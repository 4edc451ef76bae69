import { type Driver, type DriverFunction, driverOver, type NativeArgument } from '@clipgstream/tensor/cuda'

const names: Record<number, string> = {
  2: 'CUDA_ERROR_OUT_OF_MEMORY',
  400: 'CUDA_ERROR_INVALID_HANDLE',
  500: 'CUDA_ERROR_NOT_FOUND',
  600: 'CUDA_ERROR_NOT_READY',
  700: 'CUDA_ERROR_ILLEGAL_ADDRESS',
}

/** Offset and size of each parameter of a kernel, by its name. */
export type FakeKernels = Readonly<Record<string, readonly (readonly [number, number])[]>>

/** What every fake module has. */
const kernels: FakeKernels = {
  scale: [
    [0, 8],
    [8, 4],
    [12, 4],
  ],
  mixed: [
    [0, 8],
    [8, 4],
    [16, 8],
    [24, 4],
    [28, 4],
  ],
  nested: [
    [0, 8],
    [8, 24],
    [32, 4],
  ],
  plain: [],
}

export interface Launch {
  kernel: string
  shape: number[]
  parameters: DataView
}

/**
 * A GPU of a few megabytes that exists only in the mind: memory, streams that lag behind, events, graphs. Work is queued
 * and done when somebody waits or asks, so that whoever reuses memory too early gets wrong bytes. One queue stands for
 * all streams.
 */
export class FakeGpu {
  readonly driver: Driver
  readonly launches: Launch[] = []
  readonly calls: Partial<Record<DriverFunction, number>> = {}
  /** When set, the next call of that function returns this code. */
  failing: Partial<Record<DriverFunction, number>> = {}
  /** Device memory that is given out, by address. */
  readonly live = new Map<number, Uint8Array<ArrayBuffer>>()
  readonly pinned = new Map<number, Uint8Array<ArrayBuffer>>()
  readonly #events = new Set<number>()
  readonly #destroyedEvents = new Set<number>()
  readonly #graphs = new Map<number, (() => void)[]>()
  readonly #kernelNames = new Map<number, string>()
  readonly #kernels: FakeKernels
  #queue: (() => void)[] = []
  #captured: (() => void)[] | undefined
  #next = 2 ** 33

  constructor(
    readonly totalBytes = 64 << 20,
    readonly gpuCount = 2,
    readonly version = 13000,
    /** What modules have besides. */
    others: FakeKernels = {},
  ) {
    this.#kernels = { ...kernels, ...others }
    this.driver = driverOver(
      (name, args) => this.#call(name, args),
      (code) => names[code] ?? `CODE_${code}`,
      (address) => this.pinned.get(address)!.buffer,
    )
  }

  get usedBytes(): number {
    return [...this.live.values()].reduce((sum, block) => sum + block.length, 0)
  }

  /** Operations that nobody has waited for. */
  get pending(): number {
    return this.#queue.length
  }

  #call(name: DriverFunction, args: NativeArgument[]): number {
    this.calls[name] = (this.calls[name] ?? 0) + 1
    const failure = this.failing[name]
    if (failure !== undefined) {
      delete this.failing[name]
      return failure
    }
    const number = (i: number) => Number(args[i])
    const set = (i: number, value: number) => {
      const out = args[i]
      if (out instanceof BigUint64Array) out[0] = BigInt(value)
      else if (out instanceof Int32Array || out instanceof Float32Array) out[0] = value
      return 0
    }
    switch (name) {
      case 'cuDriverGetVersion':
        return set(0, this.version)
      case 'cuDeviceGetCount':
        return set(0, this.gpuCount)
      case 'cuDeviceGet':
        return set(0, number(1))
      case 'cuDeviceGetName': {
        const out = args[0]
        if (out instanceof Uint8Array) out.set(new TextEncoder().encode('Imaginary 1\0'))
        return 0
      }
      case 'cuDeviceGetAttribute':
        return set(0, ({ 16: 4, 75: 9, 76: 0, 97: 232448 } as Record<number, number>)[number(1)] ?? 0)
      case 'cuMemGetInfo_v2':
        set(0, this.totalBytes - this.usedBytes)
        return set(1, this.totalBytes)
      case 'cuMemAlloc_v2':
        if (this.usedBytes + number(1) > this.totalBytes) return 2
        return set(0, this.#reserve(this.live, number(1)))
      case 'cuMemFree_v2':
        this.#drain(() => false)
        return this.live.delete(number(0)) ? 0 : 400
      case 'cuMemAllocHost_v2':
        return set(0, this.#reserve(this.pinned, number(1)))
      case 'cuMemFreeHost':
        return this.pinned.delete(number(0)) ? 0 : 400
      case 'cuMemcpyHtoDAsync_v2':
        return this.#move(this.live, number(0), this.pinned, number(1), number(2))
      case 'cuMemcpyDtoHAsync_v2':
        return this.#move(this.pinned, number(0), this.live, number(1), number(2))
      case 'cuMemcpyDtoDAsync_v2':
        return this.#move(this.live, number(0), this.live, number(1), number(2))
      case 'cuMemsetD8Async':
      case 'cuMemsetD16Async':
      case 'cuMemsetD32Async': {
        const width = name === 'cuMemsetD8Async' ? 1 : name === 'cuMemsetD16Async' ? 2 : 4
        const target = this.#bytes(this.live, number(0), number(2) * width)
        return this.#enqueue(() => {
          for (let i = 0; i < target.length; i++) target[i] = number(1) >>> (8 * (i % width))
        })
      }
      case 'cuEventRecord': {
        const event = number(0)
        this.#events.delete(event)
        return this.#enqueue(() => void this.#events.add(event))
      }
      case 'cuEventDestroy_v2':
        this.#destroyedEvents.add(number(0))
        return 0
      case 'cuEventQuery':
        if (this.#destroyedEvents.has(number(0))) return 400
        this.#queue.shift()?.()
        return this.#events.has(number(0)) ? 0 : 600
      case 'cuEventSynchronize':
        this.#drain(() => this.#events.has(number(0)))
        return 0
      case 'cuStreamSynchronize':
        this.#drain(() => false)
        return 0
      case 'cuEventElapsedTime':
        return set(0, 0.5)
      case 'cuModuleGetFunction': {
        const handle = this.#next++
        const kernel = String(args[2])
        if (!this.#kernels[kernel]) return 500
        this.#kernelNames.set(handle, kernel)
        return set(0, handle)
      }
      case 'cuFuncGetParamInfo': {
        const parameter = this.#kernels[this.#kernelNames.get(number(0)) ?? '']?.[number(1)]
        if (!parameter) return 1
        set(2, parameter[0])
        return set(3, parameter[1])
      }
      case 'cuLaunchKernel':
        return this.#launch(args.map(Number))
      case 'cuStreamBeginCapture_v2':
        this.#captured = []
        return 0
      case 'cuStreamEndCapture':
      case 'cuGraphInstantiateWithFlags': {
        const graph = this.#next++
        const out = name === 'cuStreamEndCapture' ? 1 : 0
        this.#graphs.set(graph, out === 1 ? (this.#captured ?? []) : (this.#graphs.get(number(1)) ?? []))
        if (out === 1) this.#captured = undefined
        return set(out, graph)
      }
      case 'cuGraphLaunch':
        for (const work of this.#graphs.get(number(0)) ?? []) this.#queue.push(work)
        return 0
      case 'cuDevicePrimaryCtxRetain':
      case 'cuStreamCreate':
      case 'cuEventCreate':
      case 'cuModuleLoadData':
        return set(0, this.#next++)
      default:
        return 0
    }
  }

  #launch(args: number[]): number {
    const [handle = 0, ...rest] = args
    const extra = rest[9] ?? 0
    const words = (address: number, length: number) => this.#bytes(this.pinned, address, length)
    const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const tags = view(words(extra, 40))
    const wide = (at: number) => Number(tags.getBigUint64(at, true))
    if (wide(0) !== 1 || wide(16) !== 2 || wide(32) !== 0) return 1
    const size = Number(view(words(wide(24), 8)).getBigUint64(0, true))
    const parameters = view(words(wide(8), size).slice())
    const kernel = this.#kernelNames.get(handle) ?? '?'
    return this.#enqueue(() => {
      this.launches.push({ kernel, shape: rest.slice(0, 7), parameters })
      if (kernel !== 'scale') return
      const n = parameters.getUint32(8, true)
      const target = this.#bytes(this.live, Number(parameters.getBigUint64(0, true)), 4 * n)
      const values = new Float32Array(target.buffer, target.byteOffset, n)
      for (let i = 0; i < n; i++) values[i]! *= parameters.getFloat32(12, true)
    })
  }

  #move(
    to: Map<number, Uint8Array<ArrayBuffer>>,
    target: number,
    from: Map<number, Uint8Array<ArrayBuffer>>,
    source: number,
    bytes: number,
  ): number {
    const [a, b] = [this.#bytes(to, target, bytes), this.#bytes(from, source, bytes)]
    return this.#enqueue(() => a.set(b))
  }

  #bytes(memory: Map<number, Uint8Array<ArrayBuffer>>, address: number, length: number): Uint8Array<ArrayBuffer> {
    for (const [start, block] of memory) {
      if (address >= start && address + length <= start + block.length)
        return block.subarray(address - start, address - start + length)
    }
    throw new Error(`no memory of ${length} bytes at ${address}`)
  }

  #reserve(memory: Map<number, Uint8Array<ArrayBuffer>>, bytes: number): number {
    const address = this.#next
    this.#next += Math.ceil(bytes / 4096) * 4096
    memory.set(address, new Uint8Array(bytes))
    return address
  }

  #enqueue(work: () => void): number {
    const queue = this.#captured ?? this.#queue
    queue.push(work)
    return 0
  }

  #drain(until: () => boolean): void {
    while (!until() && this.#queue.length > 0) this.#queue.shift()?.()
  }
}
