import type { Problem, ProblemCode } from '../dataset/types.js'

/** Collects what a reader has to say about a capture. */
export class Findings {
  readonly problems: Problem[] = []

  error(code: ProblemCode, message: string): void {
    this.problems.push({ severity: 'error', code, message })
  }
  /** An error that `allowGaps` passes over. */
  gap(code: ProblemCode, message: string): void {
    this.problems.push({ severity: 'error', code, message, gap: true })
  }
  warning(code: ProblemCode, message: string): void {
    this.problems.push({ severity: 'warning', code, message })
  }
  note(code: ProblemCode, message: string): void {
    this.problems.push({ severity: 'note', code, message })
  }
}

/** `a, b, c and 4 more`. */
export function some(names: readonly string[], most = 3): string {
  const shown = names.slice(0, most).join(', ')
  return names.length > most ? `${shown} and ${names.length - most} more` : shown
}
