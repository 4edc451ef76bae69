import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readPointCloud } from '@clipgstream/io'
import { type ProcessEvent, type ProcessOptions, processRecordings } from '@clipgstream/process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writePlane } from './scene.js'

const folder = mkdtempSync(join(tmpdir(), 'clipgstream-split-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => join(folder, name)
const frames = 6
/** On its way from left to right, at no place twice. */
const board = (frame: number) => [-0.75 + 0.3 * frame, 0] as const
const options: ProcessOptions = {
  ...{ clouds: 'stereo', stereoAllCameras: true, device: 'wasm', threads: 1, format: 'png' },
  ...{ clipSize: 3, test: { names: ['cam3'] }, stereoCover: false },
}

beforeAll(async () => {
  await writePlane(at('board'), frames, { board })
  // Each camera by itself, by a fifth.
  await writePlane(at('flicker'), frames, {
    board,
    light: (camera, frame) => 0.85 + 0.17 * Math.sin(2 * camera + 3 * frame),
  })
  await writePlane(at('drift'), frames, { drift: (frame) => 0.37 * frame })
})

async function run(source: string, dataset: string, changed: Partial<ProcessOptions> = {}) {
  const events: ProcessEvent[] = []
  await processRecordings(at(source), at(dataset), { ...options, ...changed }, (event) => events.push(event))
  const said = events.flatMap((event) => (event.type === 'warning' || event.type === 'note' ? [event.message] : []))
  return { events, said }
}

function points(path: string): (readonly [number, number, number])[] {
  const { positions } = readPointCloud(readFileSync(at(path)))
  return Array.from({ length: positions.length / 3 }, (_, i) => [
    positions[3 * i]!,
    positions[3 * i + 1]!,
    positions[3 * i + 2]!,
  ])
}

const cloudOf = (dataset: string, frame: number) => points(`${dataset}/.process/clouds/00000${frame}.ply`)
/** Points of the board of a frame. */
const onBoard = (cloud: readonly (readonly [number, number, number])[], frame: number) =>
  cloud.filter(
    ([x, y, z]) =>
      Math.abs(z - 3) < 0.15 && Math.abs(x - board(frame)[0]) < 0.35 && Math.abs(y - board(frame)[1]) < 0.35,
  )

/** Every file of a dataset that is not a record, with its bytes. */
function contents(dataset: string): Map<string, string> {
  const files = new Map<string, string>()
  for (const entry of readdirSync(at(dataset), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(at(dataset).length + 1)
    if (!/^\.process\/[a-z]+\.json$/.test(name)) files.set(name, readFileSync(path).toString('base64'))
  }
  return files
}

describe('stereo of what moves before what stands still', () => {
  it('finds the wall once, and the board in every frame', async () => {
    const { said } = await run('board', 'split')
    expect(said).toEqual([])
    const still = points('split/.process/clouds/still/cloud.ply')
    expect(still.length).toBeGreaterThan(500)
    // The board is not among what stands still, and the wall behind it is whole.
    expect(still.filter(([, , z]) => Math.abs(z - 4) > 0.15).length).toBeLessThan(0.02 * still.length)
    await run('board', 'whole', { stereoWholeFrames: true })
    expect(existsSync(at('whole/.process/clouds/still'))).toBe(false)
    for (const frame of [1, 2, 4]) {
      const [moving, whole] = [cloudOf('split', frame), cloudOf('whole', frame)]
      expect(moving.length).toBeLessThan(0.5 * whole.length)
      const [ours, theirs] = [onBoard(moving, frame).length, onBoard(whole, frame).length]
      expect(theirs).toBeGreaterThan(20)
      expect(ours).toBeGreaterThan(0.9 * theirs)
    }
    // Clip 1 adds where the board is now, not the wall again.
    const residual = points('split/plys/1.ply')
    expect(residual.filter(([, , z]) => z < 3.5).length).toBeGreaterThan(0.6 * residual.length)
  }, 120_000)

  it('has rough points besides where stereo finds none', async () => {
    await run('board', 'covered', { stereoCover: true })
    const [still, covered] = ['split', 'covered'].map((name) => points(`${name}/.process/clouds/still/cloud.ply`))
    if (!still || !covered) throw new Error('no clouds')
    expect(covered.slice(0, still.length)).toEqual(still)
    const added = covered.slice(still.length).map(([, , z]) => Math.abs(z - 4))
    expect(added.length).toBeGreaterThan(50)
    expect(added.sort((a, b) => a - b)[added.length >> 1]).toBeLessThan(0.2)
    // What moves is none of it.
    expect(contents('covered').get('.process/clouds/000002.ply')).toBe(
      contents('split').get('.process/clouds/000002.ply'),
    )
  }, 60_000)

  it('is not disturbed by cameras that flicker', async () => {
    const { said } = await run('flicker', 'flickered')
    expect(said).toEqual([])
    for (const frame of [1, 2, 4]) {
      const [moving, steady] = [cloudOf('flickered', frame), cloudOf('split', frame)]
      expect(moving.length).toBeLessThan(1.3 * steady.length)
      expect(onBoard(moving, frame).length).toBeGreaterThan(0.8 * onBoard(steady, frame).length)
    }
  }, 60_000)

  it('says so when everything moves, and has what whole frames have', async () => {
    const { said } = await run('drift', 'drifted')
    expect(said.map((text) => text.replace(/\d+ %/, 'p %'))).toMatchInlineSnapshot(`
      [
        "stereo: at p % of the pixels nothing stands still for long enough (do the cameras move?): every frame is estimated whole",
      ]
    `)
    expect(points('drifted/.process/clouds/still/cloud.ply')).toEqual([])
    await run('drift', 'drifted-whole', { stereoWholeFrames: true })
    for (let frame = 0; frame < frames; frame++)
      expect(cloudOf('drifted', frame)).toEqual(cloudOf('drifted-whole', frame))
    expect(contents('drifted').get('plys/0.ply')).toBe(contents('drifted-whole').get('plys/0.ply'))
  }, 120_000)

  it('says so when the light of a frame is another one', async () => {
    // The lamp on one side goes out in frame 4: no gain and offset of the whole picture mend that.
    await writePlane(at('lamp'), frames, { board, drift: (frame) => (frame === 4 ? 1.7 : 0) })
    const { said } = await run('lamp', 'lamp-out')
    expect(said.map((text) => text.replace(/\d+ %/, 'p %'))).toMatchInlineSnapshot(`
      [
        "stereo: p % of the pixels of frame 4 are not as in the still pictures (does the light change?): it is estimated whole",
      ]
    `)
    expect(cloudOf('lamp-out', 4).length).toBeGreaterThan(2 * cloudOf('lamp-out', 3).length)
  }, 60_000)

  it('says so when there are too few frames to tell', async () => {
    const { said } = await run('board', 'few', { frames: [0, 4] })
    expect(said).toMatchInlineSnapshot(`
      [
        "stereo: 4 frames do not tell what stands still (5 would): each is estimated whole",
      ]
    `)
  }, 60_000)

  it('tells of a damaged image in its turn, although it is read ahead', async () => {
    await run('board', 'damaged')
    const image = at('damaged/frame000003/images/cam2.png')
    const good = readFileSync(image)
    // As long as before, so that only its contents tell.
    writeFileSync(image, new Uint8Array(good.length))
    for (const frame of [1, 2, 3]) rmSync(at(`damaged/.process/clouds/00000${frame}.ply`))
    await expect(run('board', 'damaged')).rejects.toThrow(/^frame000003\/images\/cam2\.png: image: expected an image/)
    expect(cloudOf('damaged', 2)).toEqual(cloudOf('split', 2))
    expect(existsSync(at('damaged/.process/clouds/000003.ply'))).toBe(false)
    writeFileSync(image, good)
    await run('board', 'damaged')
    expect(contents('damaged')).toEqual(contents('split'))
  }, 120_000)

  it('goes on after a kill at any point, to the same bytes', async () => {
    const child = fileURLToPath(new URL('child.mjs', import.meta.url))
    for (const done of [0, 1, 4]) {
      const { signal } = spawnSync(process.execPath, [
        ...[child, at('board'), at('killed'), JSON.stringify(options), 'points', String(done)],
      ])
      expect(signal).toBe('SIGKILL')
    }
    // A still picture that is lost is made again, and nothing else.
    rmSync(at('killed/.process/clouds/still/cam1.png'), { force: true })
    await run('board', 'killed')
    expect(contents('killed')).toEqual(contents('split'))
  }, 120_000)
})
