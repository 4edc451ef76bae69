import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import { type ConformanceCase, compare, type Difference } from './case.js'

/** One output of one case on one device. */
export interface Row extends Difference {
  operator: string
  case: string
  against: string
  milliseconds: number
}

export interface Outcome {
  rows: Row[]
  /** Why the device has no kernels for the case, where it has none. */
  missing: string | null
}

/**
 * Runs a case. The wasm device is compared with the float64 oracle where there is one, else with `single`, itself on one
 * thread, which must give equal bytes; other devices are compared with `single`.
 */
export async function runCase(one: ConformanceCase, device: Device, single: Device): Promise<Outcome> {
  const started = performance.now()
  let missing: string | null = null
  const actual = await one.run(device).catch((error: unknown) => {
    if (!(error instanceof DeviceUnavailableError)) throw error
    missing = `${one.operator} (${one.name}): ${error.message}`
  })
  if (!actual) return { rows: [], missing }
  const milliseconds = performance.now() - started
  const against = device.kind !== 'wasm' ? 'wasm' : one.oracle ? 'float64' : 'one thread'
  const expected = against === 'float64' && one.oracle ? one.oracle() : await one.run(single)
  const exact = Object.fromEntries(Object.keys(one.tolerance).map((key) => [key, { absolute: 0, relative: 0 }]))
  const differences = compare(actual, expected, against === 'one thread' ? exact : one.tolerance)
  const rows = differences.map((row) => ({ ...row, operator: one.operator, case: one.name, against, milliseconds }))
  return { rows, missing: null }
}

/** The table for people, a line each. */
export function tableOf(rows: readonly Row[]): string[] {
  const header = ['operator', 'case', 'output', 'against', 'max', 'mean', 'outside', 'ms', '']
  const table = [header, ...rows.map(cells)]
  const widths = header.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
}

function cells(row: Row): string[] {
  const number = (value: number) => (Number.isNaN(value) ? 'NaN' : value.toExponential(1))
  const verdict = row.passed ? 'ok' : 'FAILED'
  return [
    row.operator,
    row.case,
    row.output,
    row.against,
    number(row.max),
    number(row.mean),
    String(row.outside),
    row.milliseconds.toFixed(1),
    verdict,
  ]
}
