import { IoError } from '@clipgstream/io'
import { ClipgstreamError } from '@clipgstream/tensor'
import { NonFiniteError } from '@clipgstream/trainer'
import { CommandError } from './command-error.js'

/** Exit codes: 1 something is wrong with the input, 2 with the command line, 3 training diverged, 70 a bug. */
export const exitCodes = { input: 1, commandLine: 2, diverged: 3, bug: 70 } as const

/** Exit codes of a training that a signal stopped, with checkpoints: 128 and the signal's number. */
export const stopped = { SIGINT: 130, SIGTERM: 143 } as const

/** Prints what went wrong: expected failures as one message, anything else with its stack. */
export function report(error: unknown): void {
  const expected =
    error instanceof CommandError ||
    error instanceof ClipgstreamError ||
    error instanceof IoError ||
    isSystemError(error)
  const text = error instanceof Error ? (expected ? error.message : (error.stack ?? error.message)) : String(error)
  process.stderr.write(`${text}\n`)
  process.exitCode =
    error instanceof CommandError
      ? error.exitCode
      : error instanceof NonFiniteError
        ? exitCodes.diverged
        : expected
          ? exitCodes.input
          : exitCodes.bug
}

/** A failed call of the operating system, such as a disk that is full. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && 'code' in error
}
