/** How bad: `stop` will not train, `look` deserves a look before training, `note` is for information. */
export type Severity = 'stop' | 'look' | 'note'

/** Something that was found, in the order in which a reader needs it. */
export interface Finding {
  readonly severity: Severity
  readonly check:
    | 'files'
    | 'videos'
    | 'calibration'
    | 'clouds'
    | 'coverage'
    | 'frames'
    | 'time'
    | 'colour'
    | 'sharpness'
  /** What is wrong. */
  readonly what: string
  /** Camera, frame or file. */
  readonly where: string
  /** The number that says so, with what is usual. */
  readonly figure: string
  /** What to do. */
  readonly remedy: string
}

export type Verdict = 'ok' | 'look at' | 'will not train'

const order = { stop: 0, look: 1, note: 2 } satisfies Record<Severity, number>

export function sortFindings(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => order[a.severity] - order[b.severity])
}

export function verdictOf(findings: readonly Finding[]): Verdict {
  if (findings.some(({ severity }) => severity === 'stop')) return 'will not train'
  return findings.some(({ severity }) => severity === 'look') ? 'look at' : 'ok'
}

/** `what: where (figure); remedy` */
export function findingText({ what, where, figure, remedy }: Finding): string {
  const head = [what, where].filter((part) => part !== '').join(': ')
  return `${head}${figure === '' ? '' : ` (${figure})`}${remedy === '' ? '' : `; ${remedy}`}`
}

/** `a, b, c and 4 more` */
export function some(names: readonly (string | number)[], most = 6): string {
  const shown = names.slice(0, most).join(', ')
  return names.length > most ? `${shown} and ${names.length - most} more` : shown
}
