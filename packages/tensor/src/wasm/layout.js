// The first page of the shared memory is the control block of the thread pool; tensors start behind it.

/** Bytes that the allocator leaves alone. */
export const reservedBytes = 65536

/** Indices of 32-bit words. Each hot word has a cache line of its own. */
export const word = {
  epoch: 0,
  command: 1,
  kernel: 2,
  chunks: 3,
  args: 4,
  next: 16,
  running: 32,
  failed: 48,
  reason: 49,
}

export const command = { run: 1, listen: 2, exit: 3 }

/** Byte address of the kernel arguments, as float64. */
export const argsAt = 1024

export const maxArgs = 64

/** Byte address of why a worker failed, as UTF-16; its length is in `word.reason`. */
export const reasonAt = 4096

export const maxReason = 512
