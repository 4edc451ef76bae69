import type { DType, Shape } from './dtype.js'

/** Base of every error that this system raises on purpose. */
export class ClipgstreamError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** An argument has the wrong shape. Extents that may be anything are written `*`. */
export class ShapeError extends ClipgstreamError {
  constructor(
    readonly operator: string,
    readonly tensor: string,
    readonly expected: readonly (number | '*')[],
    readonly actual: Shape,
  ) {
    super(`${operator}: ${tensor} must have shape [${expected.join(', ')}], got [${actual.join(', ')}]`)
  }
}

export class DTypeError extends ClipgstreamError {
  constructor(
    readonly operator: string,
    readonly tensor: string,
    readonly expected: DType,
    readonly actual: DType,
  ) {
    super(`${operator}: ${tensor} must be ${expected}, got ${actual}`)
  }
}

/** A scalar argument is outside of its range. */
export class ArgumentError extends ClipgstreamError {
  constructor(
    readonly operator: string,
    readonly argument: string,
    readonly value: unknown,
    readonly expected: string,
  ) {
    super(`${operator}: ${argument} must be ${expected}, got ${String(value)}`)
  }
}

export class DisposedError extends ClipgstreamError {
  constructor(readonly what: string) {
    super(`${what} has been disposed; keep it alive until its last use`)
  }
}

export class WrongDeviceError extends ClipgstreamError {
  constructor(
    readonly operator: string,
    readonly tensor: string,
    readonly expected: string,
    readonly actual: string,
  ) {
    super(
      `${operator}: ${tensor} lives on ${actual}, but the operator runs on ${expected}; copy it with device.from(await tensor.read(), shape)`,
    )
  }
}

export class DeviceUnavailableError extends ClipgstreamError {
  constructor(
    readonly device: string,
    readonly reason: string,
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(`device ${device} is not available: ${reason}. ${remedy}`, options)
  }
}

export class OutOfMemoryError extends ClipgstreamError {
  constructor(
    readonly device: string,
    readonly requested: number,
    readonly inUse: number,
    readonly limit: number,
    readonly largestFree: number,
  ) {
    super(
      `device ${device} is out of memory: asked for ${bytes(requested)}, in use ${bytes(inUse)} of ${bytes(limit)}, ` +
        `largest free block ${bytes(largestFree)}. Use a smaller preset, fewer anchors or a smaller image`,
    )
  }
}

/** A kernel failed while it ran; results of that launch are not to be used. */
export class KernelError extends ClipgstreamError {
  constructor(
    readonly kernel: string,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(`kernel ${kernel}: ${reason}`, options)
  }
}

function bytes(count: number): string {
  return count >= 2 ** 20 ? `${(count / 2 ** 20).toFixed(1)} MiB` : `${count} bytes`
}
