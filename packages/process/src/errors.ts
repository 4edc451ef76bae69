import { IoError } from '@clipgstream/io'

/** Something that the owner of the recordings can mend; the message says what, where and how. */
export class ProcessError extends IoError {}

/** A video cannot be used as it is. */
export class VideoError extends ProcessError {
  constructor(
    readonly file: string,
    reason: string,
    options?: ErrorOptions,
  ) {
    super(`${file}: ${reason}`, options)
  }
}

/** COLMAP is not there, failed, or did not find what is needed. */
export class ColmapError extends ProcessError {
  constructor(
    reason: string,
    /** The last lines that it printed. */
    readonly output: readonly string[] = [],
    options?: ErrorOptions,
  ) {
    const printed =
      output.length > 0 ? `\n  COLMAP's last lines:\n${output.map((line) => `    ${line}`).join('\n')}` : ''
    super(`${reason}${printed}`, options)
  }
}

/** What is to be written does not fit, or the disk became full. */
export class DiskFullError extends ProcessError {}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
