import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createProgram } from 'clipgstream'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'

const checkpoint = fixture('fixtures/reference-checkpoint')
const folder = mkdtempSync(join(tmpdir(), 'clipgstream-cli-import-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function run(...args: string[]): Promise<string> {
  const written: string[] = []
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written.push(String(text))
    return true
  })
  try {
    const program = createProgram('0.0.0')
    for (const command of [program, ...program.commands])
      command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: (text) => written.push(text) })
    await program.parseAsync(['node', 'clipgstream', ...args])
  } finally {
    spy.mockRestore()
  }
  return written.join('')
}

describe.skipIf(!checkpoint)('clipgstream import', () => {
  const history = join(folder, 'history')
  beforeAll(() => {
    execFileSync(process.execPath, [`${checkpoint}/assemble.mjs`, folder], { stdio: 'ignore' })
  })

  it('says how the grids are indexed, and which clips are left out', async () => {
    const text = await run('import', history, join(folder, 'run'))
    expect(text).toMatch(/^warning: clip 1 has no FDHash_1.pth and is left out$/m)
    expect(text).toMatch(
      /^clip 0: indexing exact \(trained entries among those that only exact touches: 115803 of 115803;/m,
    )
    expect(text).toMatch(/^1 clips: /m)
  })

  it('takes another indexing when told to, with a warning', async () => {
    const text = await run('import', history, join(folder, 'forced'), '--indexing', 'wrapping')
    expect(text).toMatch(/^warning: the table of clip 0 was trained with indexing exact, not wrapping \(/m)
    const [event] = (await run('--json', 'import', history, join(folder, 'json'), '--indexing', 'wrapping'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(event).toMatchObject({ type: 'import', clips: [0], skipped: [1] })
    expect(event.indexings).toMatchObject([{ clip: 0, indexing: 'wrapping', found: 'exact' }])
    await expect(run('import', history, join(folder, 'bad'), '--indexing', 'hashed')).rejects.toThrow(
      /'hashed' is invalid. Allowed choices are auto, exact, wrapping/,
    )
  })
})
