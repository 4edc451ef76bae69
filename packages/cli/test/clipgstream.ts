import { createProgram } from 'clipgstream'
import { vi } from 'vitest'

/** What `work` writes to the standard output. */
async function writtenBy(work: (written: string[]) => Promise<unknown>): Promise<string> {
  const written: string[] = []
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written.push(String(text))
    return true
  })
  process.exitCode = undefined
  try {
    await work(written)
  } finally {
    spy.mockRestore()
  }
  return written.join('')
}

/** Runs a command in this process and returns what it printed; what is wrong with its arguments is thrown. */
export function clipgstream(...args: string[]): Promise<string> {
  return writtenBy((written) => {
    const program = createProgram('0.0.0')
    for (const command of [program, ...program.commands])
      command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: (text) => written.push(text) })
    return program.parseAsync(['node', 'clipgstream', ...args])
  })
}

export interface Told {
  verdict: string
  findings: { severity: string; check: string; what: string; where: string; figure: string; remedy: string }[]
  unchecked: string[]
  videos: Record<string, unknown>[]
}

/** Inspects with --json; the exit code beside what was told. */
export async function inspect(path: string, ...flags: string[]): Promise<Told & { code: number | undefined }> {
  try {
    const text = await writtenBy(() =>
      createProgram('0.0.0').parseAsync(['node', 'clipgstream', '--json', 'inspect', path, ...flags]),
    )
    const code = process.exitCode === undefined ? undefined : Number(process.exitCode)
    return { ...JSON.parse(text), code }
  } finally {
    process.exitCode = undefined
  }
}
