import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ProcessEvent, type ProcessOptions, processRecordings } from '@clipgstream/process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { model, writeModel, writeVideos } from './scene.js'

const folder = mkdtempSync(join(tmpdir(), 'clipgstream-kill-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => join(folder, name)
const videos = at('videos')
const quick: ProcessOptions = {
  clouds: 'random',
  randomPoints: 300,
  clipSize: 2,
  format: 'png',
  test: { names: ['cam3'] },
}

beforeAll(async () => {
  await writeVideos(videos, 5)
  writeModel(join(videos, 'distorted/sparse/0'), model())
})

async function run(source: string, dataset: string) {
  const events: ProcessEvent[] = []
  await processRecordings(source, dataset, quick, (event) => events.push(event))
  const states = events.flatMap((event) =>
    event.type === 'step' && event.state !== 'done' ? [`${event.step} ${event.state}`] : [],
  )
  return { events, states }
}

/** Every file of a dataset that is not a record, with its bytes. */
function contents(dataset: string): Map<string, string> {
  const files = new Map<string, string>()
  for (const entry of readdirSync(dataset, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(dataset.length + 1)
    if (!/^\.process\/[a-z]+\.json$/.test(name)) files.set(name, readFileSync(path).toString('base64'))
  }
  return files
}

describe('a kill in any step', () => {
  const child = fileURLToPath(new URL('child.mjs', import.meta.url))
  const start = (dataset: string, step: string, done: string | number) =>
    spawnSync(process.execPath, [child, videos, dataset, JSON.stringify(quick), step, String(done)], {
      encoding: 'utf8',
    })

  it('loses nothing that was complete, and the next run ends with the same files', async () => {
    await run(videos, at('whole'))
    const expected = contents(at('whole'))
    const kills = [
      ['frames', 'start'],
      ['frames', 7],
      ['cameras', 'start'],
      ['images', 3],
      ['points', 'start'],
      ['clouds', 1],
      ['dataset', 'start'],
      ['dataset', 3],
    ] as const
    for (const [step, done] of kills) {
      const { signal, stdout, stderr } = start(at('killed'), step, done)
      expect([signal, stdout, stderr]).toEqual(['SIGKILL', '', ''])
    }
    const { states } = await run(videos, at('killed'))
    expect(states).toEqual([
      'frames skip',
      'cameras skip',
      'images skip',
      'points skip',
      'clouds skip',
      'dataset resume',
    ])
    expect(contents(at('killed'))).toEqual(expected)
  }, 60_000)

  it('goes on inside a step', async () => {
    rmSync(at('killed'), { recursive: true, force: true })
    start(at('killed'), 'images', 3)
    const { events } = await run(videos, at('killed'))
    const first = events.find((event) => event.type === 'progress' && event.step === 'images')
    expect(first).toMatchObject({ total: 20 })
    expect(first?.type === 'progress' && first.done).toBeGreaterThanOrEqual(3)
  }, 30_000)
})
