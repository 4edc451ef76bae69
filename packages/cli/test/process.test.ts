import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { clipgstream } from './clipgstream.js'

const sample = fileURLToPath(new URL('../../../samples/court-mini', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'clipgstream-cli-process-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const out = join(folder, 'out')

const small = ['--frames', '0-2', '--clip-size', '2', '--clouds', 'given', '--test-cameras', 'view004']

describe('clipgstream process', () => {
  it('says what it does step by step, and what came of it', async () => {
    const text = await clipgstream('process', sample, out, ...small)
    expect(text).toMatch(/clip-stream: 12 cameras, 3 frames/)
    expect(text).toMatch(/about .* for 36 undistorted images/)
    for (const step of ['frames', 'cameras', 'images', 'points', 'clouds', 'dataset'])
      expect(text).toMatch(new RegExp(`^${step} +done in`, 'm'))
    expect(text).toMatch(/split +11 train, 1 test \(view004\)/)
    expect(text).toMatch(/result +can be used/)
    expect(JSON.parse(readFileSync(join(out, 'meta.json'), 'utf8'))).toMatchObject({ clip_size: 2, frames: 3 })
  })

  it('passes over what is complete, does again what is forced, and prints JSON', async () => {
    const events = (await clipgstream('--json', 'process', sample, out, ...small, '--force', 'points'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const states = events.flatMap((event) =>
      event.type === 'step' && event.state !== 'done' ? [`${event.step} ${event.state}`] : [],
    )
    expect(states).toEqual([
      'frames skip',
      'cameras skip',
      'images skip',
      'points start',
      'clouds start',
      'dataset start',
    ])
    expect(events.at(-1)).toMatchObject({ type: 'inspection', usable: true })
  })

  it('says on Ctrl-C that it stopped, and goes on from there', async () => {
    const stopped = join(folder, 'stopped')
    const running = clipgstream('process', sample, stopped, ...small)
    while (!existsSync(join(stopped, 'frame000000'))) await setTimeout(5)
    process.emit('SIGINT', 'SIGINT')
    expect(await running).toMatch(
      /^stopped: what is complete stays in .*stopped; the same command goes on from there$/m,
    )
    expect(process.exitCode).toBe(130)
    process.exitCode = undefined
    expect(process.listenerCount('SIGINT')).toBe(0)
    expect(await clipgstream('process', sample, stopped, ...small)).toMatch(/^images +goes on \(was interrupted\)$/m)
  })

  it('reads offsets from a list or a file, and says what is wrong with them', async () => {
    const file = join(folder, 'offsets.txt')
    writeFileSync(file, '# late\nview001=1\n')
    const every = ['--frames', '0-1', '--clip-size', '2', '--clouds', 'given', '--lengths', 'shortest']
    const text = await clipgstream('process', sample, join(folder, 'late'), ...every, '--offsets', file)
    expect(text).toMatch(/24 of 24/)
    const own = (frame: string, dataset: string) => readFileSync(join(dataset, `frame00000${frame}/images/view001.jpg`))
    expect(own('0', join(folder, 'late')).equals(own('1', sample))).toBe(true)
    await expect(clipgstream('process', sample, out, '--offsets', 'view001')).rejects.toThrow(
      /expected offsets such as/,
    )
    await expect(clipgstream('process', sample, out, '--force', 'picture')).rejects.toThrow(/frames, cameras, images/)
    await expect(clipgstream('process', sample, out, '--colmap-set', 'x=1')).rejects.toThrow(
      /expected feature_extractor/,
    )
  })
})
