import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { clipgstream } from './clipgstream.js'

const checkpoint = fixture('fixtures/reference-checkpoint')
const folder = mkdtempSync(join(tmpdir(), 'clipgstream-cli-import-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.skipIf(!checkpoint)('clipgstream import', () => {
  const history = join(folder, 'history')
  beforeAll(() => {
    execFileSync(process.execPath, [`${checkpoint}/assemble.mjs`, folder], { stdio: 'ignore' })
  })

  it('says how the grids are indexed, and which clips are left out', async () => {
    const text = await clipgstream('import', history, join(folder, 'run'))
    expect(text).toMatch(/^warning: clip 1 has no FDHash_1.pth and is left out$/m)
    expect(text).toMatch(
      /^clip 0: indexing exact \(trained entries among those that only exact touches: 115803 of 115803;/m,
    )
    expect(text).toMatch(/^1 clips: /m)
  })

  it('does not write over what was trained, but over what was imported', async () => {
    const run = join(folder, 'again')
    await clipgstream('import', history, run)
    expect(await clipgstream('import', history, run)).toMatch(/^1 clips: /m)
    const path = join(run, 'clipstream.json')
    const manifest = JSON.parse(readFileSync(path, 'utf8'))
    const trained = JSON.stringify({ ...manifest, data: { ...manifest.data, fingerprint: 'abc' } })
    writeFileSync(path, trained)
    await expect(clipgstream('import', history, run)).rejects.toThrow(/again holds a clip stream that was trained/)
    expect(readFileSync(path, 'utf8')).toBe(trained)
  })

  it('takes another indexing when told to, with a warning', async () => {
    const text = await clipgstream('import', history, join(folder, 'forced'), '--indexing', 'wrapping')
    expect(text).toMatch(/^warning: the table of clip 0 was trained with indexing exact, not wrapping \(/m)
    const [event] = (await clipgstream('--json', 'import', history, join(folder, 'json'), '--indexing', 'wrapping'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(event).toMatchObject({ type: 'import', clips: [0], skipped: [1] })
    expect(event.indexings).toMatchObject([{ clip: 0, indexing: 'wrapping', found: 'exact' }])
    await expect(clipgstream('import', history, join(folder, 'bad'), '--indexing', 'hashed')).rejects.toThrow(
      /'hashed' is invalid. Allowed choices are auto, exact, wrapping/,
    )
  })
})
