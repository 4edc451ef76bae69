/** What differs between Node and a browser. */
export interface Host {
  readonly cores: number
  /** Whether worker threads can share memory here. */
  readonly canShare: boolean
  /** Whether the calling thread may block. */
  readonly canBlock: boolean
  readBytes(url: URL): Promise<Uint8Array<ArrayBuffer>>
  startWorker(): HostWorker
}

/** What a worker says after each message; `problem` is null when all went well. */
export interface Answer {
  readonly problem: string | null
}

export interface HostWorker {
  /** Posts a message and resolves at the answer; rejects when the worker ends instead. */
  ask(message: unknown): Promise<Answer>
  terminate(): void
}
