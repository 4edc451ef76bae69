import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ProcessEvent, type ProcessOptions, processRecordings } from '@clipgstream/process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writePlane } from './scene.js'

const folder = mkdtempSync(join(tmpdir(), 'clipgstream-moments-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => join(folder, name)
const options: ProcessOptions = {
  ...{ clouds: 'stereo', stereoAllCameras: true, device: 'wasm', threads: 1, format: 'png', clipSize: 24 },
  ...{ test: { names: ['cam3'] }, stereoCover: false, lengths: 'shortest' },
}

/** On its way from left to right, at no place twice; one camera sees it later. */
const board = (late: Readonly<Record<number, number>>) => (frame: number, camera: number) =>
  [-1.2 + 0.1 * (frame - (late[camera] ?? 0)), 0.1 * Math.sin(frame - (late[camera] ?? 0))] as const

beforeAll(async () => {
  await writePlane(at('late'), 26, { board: board({ 2: 1 }) })
  await writePlane(at('early'), 26, { board: board({ 0: -1 }) })
  await writePlane(at('quiet'), 26)
})

async function said(source: string, dataset: string, changed: Partial<ProcessOptions> = {}) {
  const events: ProcessEvent[] = []
  await processRecordings(at(source), at(dataset), { ...options, ...changed }, (event) => events.push(event))
  const about = /in step with the points|shows what happens/
  return events.flatMap((event) => ('message' in event && about.test(event.message) ? [event.message] : []))
}

const shown = 'shows what happens 1 frame'
const timingsOf = (dataset: string): { camera: string; lag: number; differences: number[] }[] =>
  JSON.parse(readFileSync(at(`${dataset}/.process/clouds/timings.json`), 'utf8'))

describe('the moments that cameras show', () => {
  it('are not those of a camera that is late: it is named, again in the next run, until its offset is given', async () => {
    const first = await said('late', 'one')
    expect(first).toHaveLength(1)
    expect(first[0]).toContain(`cam2 ${shown} later than the other cameras`)
    expect(first[0]).toContain('--offsets cam2=1 mends it')
    const [, there, here] = /points by ([\d.]+) of 255, in step by ([\d.]+)/.exec(first[0] ?? '') ?? []
    expect(1.1 * Number(there)).toBeLessThan(Number(here))
    expect(await said('late', 'one')).toEqual(first)
    expect(await said('late', 'one', { offsets: { cam2: 1 } })).toEqual([
      '4 cameras are in step with the points of the frames',
    ])
  })

  it('are not those of a camera that is early, and offsets add to those that are given', async () => {
    const [message] = await said('early', 'two')
    expect(message).toContain(`cam0 ${shown} earlier than the other cameras`)
    expect(message).toContain('--offsets cam0=-1 mends it')
    const [other] = await said('early', 'two', { offsets: { cam0: -2 } })
    expect(other).toContain(`cam0 ${shown} later`)
    expect(other).toContain('--offsets cam0=-1 mends it')
  })

  it('cannot be told where nothing moves', async () => {
    expect(await said('quiet', 'three')).toEqual([])
    expect(timingsOf('three')).toEqual([])
  })
})
