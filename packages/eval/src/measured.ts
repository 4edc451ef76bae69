/** A metric that could not be taken, and why. */
export interface NotAvailable {
  readonly notAvailable: string
}

/** A number, possibly infinite, or the reason why there is none. */
export type Measured = number | NotAvailable

export const notAvailable = (reason: string): NotAvailable => ({ notAvailable: reason })

export const isNumber = (value: Measured | undefined): value is number => typeof value === 'number'

/**
 * The metrics of one frame of one view by column key. Flicker is missing where the frame before was not added, and
 * `psnr_fitted`, which needs all frames, in what `add` returns.
 */
export interface FrameMetrics {
  readonly view: string
  /** Of the whole sequence. */
  readonly frame: number
  readonly clip: number
  readonly values: Readonly<Record<string, Measured>>
}
