/** What differs between Node and a browser. */
export interface Host {
  readonly cores: number
  /** Whether worker threads can share memory here. */
  readonly canShare: boolean
  /** Whether the calling thread may block. */
  readonly canBlock: boolean
  readBytes(url: URL): Promise<Uint8Array<ArrayBuffer>>
  startWorker(): Promise<HostWorker>
}

export interface HostWorker {
  post(message: unknown): void
  /** Resolves at the worker's next message. */
  nextMessage(): Promise<void>
  terminate(): void
}
