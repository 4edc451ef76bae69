import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readPointCloud, writePointCloud } from '@clipgstream/io'
import { encodeJpeg, encodePng } from '@clipgstream/io/node'
import { type ProcessEvent, type ProcessOptions, processRecordings, stepNames } from '@clipgstream/process'
import { afterAll, describe, expect, it } from 'vitest'
import { model, names, size, writeImages, writeModel, writeVideos } from './scene.js'

const folder = mkdtempSync(join(tmpdir(), 'clipgstream-current-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => join(folder, name)
const quick: ProcessOptions = { randomPoints: 300, clipSize: 2, format: 'png', test: { names: ['cam3'] } }

/** What was begun, gone on with or passed over. */
async function run(source: string, dataset: string, options: ProcessOptions): Promise<string[]> {
  const events: ProcessEvent[] = []
  await processRecordings(at(source), at(dataset), { ...quick, ...options }, (event) => events.push(event))
  return events.flatMap((event) =>
    event.type === 'step' && event.state !== 'done' ? [`${event.step} ${event.state}`] : [],
  )
}

const points = (...where: number[]) => writePointCloud({ positions: Float32Array.from(where) })

/** Another content and another time, as a file has that was made again. */
function change(path: string, content: Uint8Array): void {
  writeFileSync(path, content)
  utimesSync(path, new Date(), new Date(Date.now() + 5000))
}

describe('what cannot be made', () => {
  it('is refused before anything is', async () => {
    await writeVideos(at('videos'), 3)
    writeModel(at('videos/distorted/sparse/0'), model())
    const refused = async (options: ProcessOptions) => {
      const message = await run('videos', 'early', options).then(
        () => 'done',
        (error: unknown) => String(error),
      )
      expect(existsSync(at('early')) ? readdirSync(at('early/.process')) : []).toEqual([])
      return message
    }
    expect(await refused({ blankPixels: 5 })).toBe('OptionError: blankPixels must be 0 to 1, got 5')
    expect(await refused({ downscale: 0.5 })).toBe('OptionError: downscale must be a number of at least 1, got 0.5')
    expect(await refused({ downscale: 0 })).toMatch(/downscale must be/)
    expect(await refused({ voxel: 0 })).toBe('OptionError: voxel must be a number above 0, got 0')
    expect(await refused({ stereoHalvings: -1 })).toMatch(/stereoHalvings must be a whole number from 0 on, got -1/)
    expect(await refused({ clipSize: 1.5 })).toMatch(/clipSize must be a whole number above 0, got 1.5/)
    expect(await refused({ clouds: 'fused' })).toMatch(/fused.ply is missing for 3 of 3 frames, such as frame000000/)
    expect(await refused({ clouds: 'stereo', test: { names: ['cam0', 'cam1'] } })).toMatch(
      /stereo needs 3 cameras or more, there are 2/,
    )
  })
})

describe('an image of the source', () => {
  it.each(['jpg', 'png'])('that is cut off or none is named: %s', async (extension) => {
    const source = `broken-${extension}`
    const { width, height } = size
    const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 7919) % 251)
    const image = { width, height, data }
    const bytes = extension === 'jpg' ? await encodeJpeg(image) : await encodePng(image)
    for (const name of names) {
      mkdirSync(at(`${source}/${name}`), { recursive: true })
      for (const frame of [0, 1, 2]) writeFileSync(at(`${source}/${name}/${frame}.${extension}`), bytes)
    }
    const intrinsics = { ...size, model: 'PINHOLE' as const, params: [60, 60, 32, 24] }
    const { images } = model(extension)
    writeModel(at(`${source}/distorted/sparse/0`), { images, cameras: images.map(({ id }) => ({ id, ...intrinsics })) })
    const options: ProcessOptions = { clouds: 'random', downscale: 1 }
    expect(await run(source, `${source}-made`, options)).toContain('images start')
    const one = at(`${source}/cam1/2.${extension}`)
    change(one, bytes.subarray(0, bytes.length >> 1))
    await expect(run(source, `${source}-made`, options)).rejects.toThrow(`${one} is cut off; copy it again`)
    change(one, new Uint8Array())
    await expect(run(source, `${source}-made`, options)).rejects.toThrow(`${one} is not an image that can be read`)
    change(one, bytes)
    expect(await run(source, `${source}-made`, options)).toContain('images start')
  })
})

describe('a file of the source that was made again', () => {
  it('makes what follows from it again: masks, and clouds as given', async () => {
    await writeImages(at('masked'), 2)
    writeModel(at('masked/sparse/0'), model('png'))
    for (const name of names) {
      for (const frame of [0, 1]) {
        const target = at(`layout/frame00000${frame}`)
        for (const kind of ['images', 'masks']) mkdirSync(join(target, kind), { recursive: true })
        writeFileSync(join(target, `images/${name}.png`), readFileSync(at(`masked/${name}/${frame}.png`)))
        writeFileSync(join(target, `masks/${name}.png`), await mask(0))
      }
    }
    const { images } = model('png')
    const intrinsics = { ...size, model: 'PINHOLE' as const, params: [60, 60, 32, 24] }
    writeModel(at('layout/sparse/0'), { images, cameras: images.map(({ id }) => ({ id, ...intrinsics })) })
    mkdirSync(at('layout/plys'))
    writeFileSync(at('layout/plys/0.ply'), points(0, 0, 4, 1, 0, 4))
    const options: ProcessOptions = { clouds: 'given', voxel: 0.1 }
    await run('layout', 'm', options)
    expect(await run('layout', 'm', options)).not.toContain('images start')
    change(at('layout/frame000001/masks/cam1.png'), await mask(255))
    expect(await run('layout', 'm', options)).toContain('images start')
    expect(readFileSync(at('m/frame000001/masks/cam1.png')).equals(Buffer.from(await mask(255)))).toBe(true)
    change(at('layout/plys/0.ply'), points(0, 0, 4, 1, 0, 4, 1, 1, 4))
    expect(await run('layout', 'm', options)).toEqual([
      'frames skip',
      'cameras skip',
      'images skip',
      'points start',
      'clouds start',
      'dataset start',
    ])
    expect(readPointCloud(readFileSync(at('m/plys/0.ply'))).count).toBe(3)
  })

  const mask = (value: number) => encodePng({ ...size, data: new Uint8Array(3 * size.width * size.height).fill(value) })
})

describe("COLMAP's clouds of frames", () => {
  const options: ProcessOptions = { clouds: 'fused', clipSize: 1, voxel: 0.1 }
  const count = (path: string) => readPointCloud(readFileSync(at(path))).count

  it('are those of the frames that were chosen, and current', async () => {
    await writeVideos(at('fused'), 3)
    writeModel(at('fused/distorted/sparse/0'), model())
    for (const frame of [0, 1, 2]) {
      mkdirSync(at(`fused/frame00000${frame}/stereo`), { recursive: true })
      const where = Array.from({ length: 3 * (frame + 1) }, (_, i) => i)
      writeFileSync(at(`fused/frame00000${frame}/stereo/fused.ply`), points(...where))
    }
    await run('fused', 'f', { ...options, frames: [1, 3] })
    expect([0, 1].map((clip) => count(`f/plys_candidates/${clip}.ply`))).toEqual([2, 3])
    change(at('fused/frame000001/stereo/fused.ply'), points(0, 0, 4, 1, 0, 4, 2, 0, 4, 3, 0, 4))
    expect((await run('fused', 'f', { ...options, frames: [1, 3] })).slice(2, 5)).toEqual([
      'images skip',
      'points start',
      'clouds start',
    ])
    expect(count('f/plys_candidates/0.ply')).toBe(4)
  })

  it('that are empty are told with what else there is', async () => {
    await writeVideos(at('empty'), 1)
    writeModel(at('empty/distorted/sparse/0'), model())
    mkdirSync(at('empty/frame000000/stereo'), { recursive: true })
    writeFileSync(at('empty/frame000000/stereo/fused.ply'), points())
    await expect(run('empty', 'e', options)).rejects.toThrow(
      'clip 0 has no points (--clouds fused): the fused.ply of its frames are empty; choose --clouds stereo, sparse or random',
    )
  })

  it('stay in the dataset when its images are made again', async () => {
    await run('videos', 'own', { clouds: 'random' })
    for (const frame of [0, 1, 2]) {
      mkdirSync(at(`own/frame00000${frame}/stereo`))
      writeFileSync(at(`own/frame00000${frame}/stereo/fused.ply`), points(0, 0, 4, 1, 0, 4))
    }
    expect(await run('videos', 'own', { ...options, force: ['images'] })).toContain('images start')
    expect(count('own/plys/0.ply')).toBe(2)
  })
})

describe('a folder', () => {
  it('has one process at work', async () => {
    const lock = at('whole/.process/running')
    await run('videos', 'whole', { clouds: 'random' })
    expect(existsSync(lock)).toBe(false)
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    writeFileSync(lock, `${other.pid}\n`)
    await expect(run('videos', 'whole', { clouds: 'random', format: 'jpg' })).rejects.toThrow(
      `process ${other.pid} is at work in ${at('whole')}`,
    )
    other.kill()
    await once(other, 'exit')
    // What a kill leaves behind keeps nobody out.
    expect(await run('videos', 'whole', { clouds: 'random' })).toEqual(stepNames.map((name) => `${name} skip`))
    expect(existsSync(lock)).toBe(false)
  })
})

describe('an interrupted run', () => {
  it('ends with what stopped it, and is gone on with to the same bytes', async () => {
    const bytes = (dataset: string) =>
      readdirSync(at(dataset), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !/\.json$/.test(entry.name))
        .map((entry) => join(entry.parentPath, entry.name))
        .sort()
        .map((path) => [path.slice(at(dataset).length), readFileSync(path).toString('base64')])
    await run('videos', 'whole', { clouds: 'random' })
    for (const step of ['frames', 'images', 'points', 'clouds']) {
      const stop = new AbortController()
      const report = (event: ProcessEvent) => {
        if (event.type === 'progress' && event.step === step) stop.abort(new Error(`stopped in ${step}`))
      }
      const options = { ...quick, clouds: 'random' as const, signal: stop.signal }
      await expect(processRecordings(at('videos'), at('halves'), options, report)).rejects.toThrow(`stopped in ${step}`)
    }
    await run('videos', 'halves', { clouds: 'random' })
    expect(bytes('halves')).toEqual(bytes('whole'))
  })
})
