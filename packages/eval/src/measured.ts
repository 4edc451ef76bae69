/** A metric that could not be taken, and why. */
export interface NotAvailable {
  readonly notAvailable: string
}

/** A number, possibly infinite, or the reason why there is none. */
export type Measured = number | NotAvailable

export const notAvailable = (reason: string): NotAvailable => ({ notAvailable: reason })

export const isNumber = (value: Measured | undefined): value is number => typeof value === 'number'
