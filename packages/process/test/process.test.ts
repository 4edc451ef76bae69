import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLens } from '@clipgstream/camera'
import { openDataset, readColmapModel, readPointCloud } from '@clipgstream/io'
import { createNodeDecoder, nodeFolder } from '@clipgstream/io/node'
import { checkDisk, type ProcessEvent, type ProcessOptions, processRecordings, stepNames } from '@clipgstream/process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { model, names, size, writeImages, writeModel, writePlane, writeVideos } from './scene.js'
import { makeVideo } from './videos.js'

const folder = mkdtempSync(join(tmpdir(), 'clipgstream-process-'))
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

async function run(source: string, dataset: string, options: ProcessOptions = quick) {
  const events: ProcessEvent[] = []
  const report = await processRecordings(source, dataset, options, (event) => events.push(event))
  const states = events.flatMap((event) =>
    event.type === 'step' && event.state !== 'done' ? [`${event.step} ${event.state}`] : [],
  )
  return { events, report, states }
}

describe('from videos with a calibration', () => {
  it('makes a dataset that opens, and passes over what is complete', async () => {
    const { report, states } = await run(videos, at('one'))
    expect(states).toEqual(stepNames.map((name) => `${name} start`))
    expect(report.usable).toBe(true)
    const dataset = await openDataset(nodeFolder(at('one')))
    expect(dataset.cameras.map(({ name, test }) => [name, test])).toEqual(names.map((name) => [name, name === 'cam3']))
    expect(dataset.fps).toBe(10)
    // The last clip is short.
    expect(dataset.clips.map(({ start, end }) => [start, end])).toEqual([
      [0, 2],
      [2, 4],
      [4, 5],
    ])
    const text = await readColmapModel(nodeFolder(at('one')), 'sparse/0')
    expect([...text.cameras.values()].every((camera) => camera.model === 'PINHOLE')).toBe(true)
    expect((await run(videos, at('one'))).states).toEqual(stepNames.map((name) => `${name} skip`))
  })

  it('undistorts by the lens: each pixel is the recorded one where its ray lands', async () => {
    const dataset = await openDataset(nodeFolder(at('one')))
    const decoder = createNodeDecoder()
    const read = async (path: string) => decoder.decode(new Uint8Array(readFileSync(at(path))), path)
    const recorded = await read('one/.process/frames/frame000001/cam0.png')
    const straight = await read('one/frame000001/images/cam0.png')
    const view = dataset.cameras[0]?.view
    if (!view) throw new Error('no camera')
    const { project } = createLens({ model: 'OPENCV', ...size, params: [60, 60, 32, 24, -0.1, 0.02, 0.001, -0.001] })
    for (const [x, y] of [
      [5, 6],
      [31, 20],
      [50, 40],
    ] as const) {
      const [u, v] = project([(x + 0.5 - view.cx) / view.fx, (y + 0.5 - view.cy) / view.fy, 1]) ?? [0, 0]
      const [x0, y0] = [Math.floor(u - 0.5), Math.floor(v - 0.5)]
      const value = (i: number, j: number) => recorded.data[3 * (j * size.width + i)] ?? 0
      const [a, b] = [u - 0.5 - x0, v - 0.5 - y0]
      const expected =
        (value(x0, y0) * (1 - a) + value(x0 + 1, y0) * a) * (1 - b) +
        (value(x0, y0 + 1) * (1 - a) + value(x0 + 1, y0 + 1) * a) * b
      expect(Math.abs((straight.data[3 * (y * view.width + x)] ?? 0) - expected)).toBeLessThanOrEqual(0.51)
    }
  })

  it('does again what has changed, what is forced and what is damaged, and what follows from it', async () => {
    const again = async (options: Partial<ProcessOptions>) =>
      (await run(videos, at('one'), { ...quick, ...options })).states
    expect(await again({ randomPoints: 200 })).toEqual([
      'frames skip',
      'cameras skip',
      'images skip',
      'points start',
      'clouds start',
      'dataset start',
    ])
    expect(await again({ randomPoints: 200, force: ['cameras'] })).toEqual([
      'frames skip',
      'cameras start',
      'images start',
      'points start',
      'clouds start',
      'dataset start',
    ])
    const expected = async (options: Partial<ProcessOptions>) =>
      (await run(videos, at('one'), { ...quick, ...options })).events.flatMap((event) =>
        event.type === 'estimate' ? event.parts.slice(0, 2).map(({ what }) => what) : [],
      )
    expect(await expected({ randomPoints: 200 })).toEqual(['0 images out of videos', '0 undistorted images'])
    expect(await expected({ randomPoints: 200, force: ['images'] })).toEqual([
      '0 images out of videos',
      '20 undistorted images',
    ])
    expect(await expected({ randomPoints: 200, downscale: 2 })).toEqual([
      '0 images out of videos',
      '20 undistorted images',
    ])
    expect(await expected({ randomPoints: 200, frames: [1, 5] })).toEqual([
      '16 images out of videos',
      '16 undistorted images',
    ])
    expect(await expected({ randomPoints: 200 })).toEqual(['20 images out of videos', '20 undistorted images'])
    // How clips are merged changes no point.
    expect(await again({ randomPoints: 200, maxPoints: 100 })).toEqual([
      'frames skip',
      'cameras skip',
      'images skip',
      'points skip',
      'clouds start',
      'dataset start',
    ])
    expect(readPointCloud(readFileSync(at('one/plys/0.ply'))).count).toBeLessThanOrEqual(100)
    await again({ randomPoints: 200 })
    truncateSync(at('one/frame000002/images/cam1.png'), 100)
    rmSync(at('one/plys/1.ply'))
    expect(await again({ randomPoints: 200 })).toEqual([
      'frames skip',
      'cameras skip',
      'images resume',
      'points skip',
      'clouds resume',
      'dataset skip',
    ])
    expect(statSync(at('one/frame000002/images/cam1.png')).size).toBeGreaterThan(100)
    writeFileSync(at('one/.process/images.json'), '{"version":')
    expect(await again({ randomPoints: 200 })).toContain('images start')
  })

  it('finds the surface by stereo on the device, and the distance beyond it', async () => {
    await writePlane(at('plane'), 2)
    const options = { clouds: 'stereo', stereoAllCameras: true, device: 'wasm', threads: 1, distantPoints: 20 } as const
    const make = () => run(at('plane'), at('surface'), { ...options, clipSize: 1, test: { names: ['cam3'] } })
    const expected = ({ events }: Awaited<ReturnType<typeof make>>) =>
      events.flatMap((event) => (event.type === 'estimate' ? event.parts.filter(({ step }) => step === 'points') : []))
    const made = await make()
    expect(made.report.clips).toHaveLength(2)
    // Two whole frames of four cameras, at 17 microseconds a pixel and thread.
    const [part] = expected(made)
    expect(part?.what).toBe('the points of up to 2 frames (by stereo on 1 thread)')
    expect(part?.seconds).toBeCloseTo(2 * 4 * 64 * 48 * 1.7e-5)
    expect(expected(await make())[0]?.seconds).toBeNull()
    const { positions } = readPointCloud(readFileSync(at('surface/plys_candidates/1.ply')))
    expect(positions.length / 3).toBeGreaterThan(200)
    const errors = [...positions].filter((_, i) => i % 3 === 2).map((z) => Math.abs(z - 4))
    expect(errors.filter((error) => error < 0.1).length).toBeGreaterThan(0.95 * errors.length)
    expect(Math.max(...errors)).toBeLessThan(0.5)
    // Nothing moves: nearly all of it is known from clip 0.
    expect(readPointCloud(readFileSync(at('surface/plys/1.ply'))).count).toBeLessThan(positions.length / 3 / 10)
  })

  it('looks for corners where there is too little texture for stereo, and says so', async () => {
    // Five spots on grey, no two alike.
    const spots = [
      [-0.5, -0.4, 220, 20],
      [0.3, -0.7, 10, 180],
      [0.45, 0.3, 250, 140],
      [-0.2, 0.6, 30, 60],
      [0, 0, 160, 5],
    ] as const
    const texture = (u: number, v: number) => {
      const spot = spots.find(([x, y]) => Math.hypot(u - x, v - y) < 0.16)
      if (!spot) return 90
      const [x, y, one, other] = spot
      return (u - x) * (one - 100) + (v - y) * (other - 80) > 0 ? one : other
    }
    await writePlane(at('bare'), 1, { texture })
    const options = { clouds: 'stereo', stereoAllCameras: true, device: 'wasm', threads: 1 } as const
    const { events } = await run(at('bare'), at('corners'), { ...options, clipSize: 1, test: { names: ['cam3'] } })
    const said = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
    const [, found, added] = /stereo finds (\d+) points in frame 0.*corners add (\d+)/.exec(said.join('\n')) ?? []
    expect(Number(found)).toBeLessThan(200)
    expect(Number(added)).toBeGreaterThanOrEqual(3)
    const { positions } = readPointCloud(readFileSync(at('corners/plys/0.ply')))
    expect(positions.length / 3).toBeGreaterThanOrEqual(8)
    const errors = [...positions]
      .filter((_, i) => i % 3 === 2)
      .map((z) => Math.abs(z - 4))
      .sort((a, b) => a - b)
    expect(errors[errors.length >> 1]).toBeLessThan(0.1)
  })
})

describe('alignment', () => {
  it('names the camera that is out of step, with the offset that mends it', async () => {
    // Brightness jumps at irregular moments; cam2 began two frames late.
    const jumps = [0, 3, 4, 9, 11, 12, 17, 20, 22, 27, 28, 33, 35]
    const level = (frame: number) => 60 + 90 * (jumps.filter((jump) => jump <= frame).length % 2)
    mkdirSync(at('step/distorted'), { recursive: true })
    for (const [i, name] of names.entries()) {
      const late = name === 'cam2' ? 2 : 0
      const pixel = (frame: number) => [level(frame + late), 80 + i, 90] as const
      await makeVideo(at(`step/${name}.mp4`), { ...size, frames: 34, pixel })
    }
    writeModel(at('step/distorted/sparse/0'), model())
    const warnings = async (dataset: string, offsets: Record<string, number>) => {
      const { events } = await run(at('step'), at(dataset), {
        ...quick,
        checkAlignment: true,
        offsets,
        lengths: 'shortest',
      })
      return events.flatMap((event) => (event.type === 'warning' ? [event.message.replace(/\d\.\d+/, 'c')] : []))
    }
    expect(await warnings('s0', {})).toEqual([
      'cam2 moves 2 frames earlier than the other cameras (correlation c); if that is so, --offsets cam2=-2 mends it',
    ])
    expect(await warnings('s1', { cam2: -2 })).toEqual([])
    expect(await warnings('s2', { cam2: -1 })).toEqual([
      'cam2 moves 1 frame earlier than the other cameras (correlation c); if that is so, --offsets cam2=-2 mends it',
    ])
  })
})

describe('what can be wrong', () => {
  it('refuses folders that hold each other, and folders that are not its own', async () => {
    await expect(run(videos, join(videos, 'out'))).rejects.toThrow(/lies in the source/)
    await expect(run(join(videos, 'distorted'), videos)).rejects.toThrow(/lies in the dataset's folder/)
    mkdirSync(at('mine'))
    writeFileSync(at('mine/letter.txt'), 'dear')
    await expect(run(videos, at('mine'))).rejects.toThrow(/was not made by process \(it has letter.txt\)/)
  })

  it('refuses to begin what will not fit', () => {
    const parts = [{ step: 'frames' as const, what: '7 images out of videos', bytes: 2e9, seconds: 1 }]
    expect(() => checkDisk('data', { parts, free: 2.05e9 })).toThrowErrorMatchingInlineSnapshot(
      `[DiskFullError: the dataset will not fit: some 2.0 GB are needed (2.0 GB for 7 images out of videos), 2.0 GB are free on the disk of data. Take fewer frames (--frames, --every), smaller images (--downscale) or a lower --quality, or another disk; --ignore-disk goes on regardless]`,
    )
    expect(() => checkDisk('data', { parts, free: 2.2e9 })).not.toThrow()
    expect(() => checkDisk('data', { parts, free: 0 }, true)).not.toThrow()
  })

  it('says what fails when the disk is full, and goes on when it is not', async () => {
    let left = 9
    const { writeAtomic } = await import('@clipgstream/io/node')
    const { guardDisk } = await import('../src/steps/step.js')
    const write = (path: string, content: Uint8Array | string) =>
      guardDisk(path, at('full'), async () => {
        if (left-- <= 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' })
        await writeAtomic(join(at('full'), path), content)
      })
    const failing = processRecordings(videos, at('full'), quick, () => {}, { write })
    await expect(failing).rejects.toMatchObject({ name: 'DiskFullError' })
    await expect(failing).rejects.toThrow(
      /is full, of bytes or of files; .* could not be written. What is complete stays/,
    )
    const { states } = await run(videos, at('full'))
    expect(states[0]).toBe('frames resume')
  })

  it('names cameras whose videos are shorter or cut off', async () => {
    await writeVideos(at('uneven'), [4, 3, 4, 4])
    writeModel(at('uneven/distorted/sparse/0'), model())
    await expect(run(at('uneven'), at('u'))).rejects.toThrow(
      /different numbers of frames: 4 \(cam0, cam2, cam3\), 3 \(cam1\)/,
    )
    expect((await run(at('uneven'), at('u'), { ...quick, lengths: 'shortest' })).report.frames).toBe(3)
    const gaps = (await run(at('uneven'), at('g'), { ...quick, lengths: 'gaps' })).report
    expect([gaps.images.found, gaps.images.expected]).toEqual([15, 16])
    await writeVideos(at('uneven'), [4, 3, 9, 4])
    const bytes = readFileSync(at('uneven/cam2.mp4'))
    writeFileSync(at('uneven/cam2.mp4'), bytes.subarray(0, Math.floor(bytes.length * 0.8)))
    await expect(run(at('uneven'), at('v'))).rejects.toThrow(
      /cam2 is cut off or damaged after frame \d: \d of 9 frames.*--damaged keep/,
    )
    const kept = await run(at('uneven'), at('v'), { ...quick, damaged: 'keep', lengths: 'shortest' })
    expect(kept.report.frames).toBe(3)
  })

  it('asks for a calibration where there is none', async () => {
    await writeImages(at('plain'), 2)
    await expect(run(at('plain'), at('p'))).rejects.toThrow(
      /the cameras have no calibration; compute it with --calibrate colmap/,
    )
    await expect(run(at('nothing'), at('p'))).rejects.toThrow()
  })

  it('names the camera whose recording has another shape than its calibration', async () => {
    await writeVideos(at('turned'), 2)
    const content = model()
    const cameras = content.cameras.map((camera, i) => (i === 1 ? { ...camera, width: 48, height: 64 } : camera))
    writeModel(at('turned/distorted/sparse/0'), { ...content, cameras })
    await expect(run(at('turned'), at('t'))).rejects.toThrow(/cam1 have 64x48 pixels, its calibration is for 48x64/)
  })
})

describe('COLMAP clouds', () => {
  it('are used where every frame has one', async () => {
    const { writePointCloud } = await import('@clipgstream/io')
    await writeVideos(at('fused'), 2)
    writeModel(at('fused/distorted/sparse/0'), model())
    for (const frame of [0, 1]) {
      mkdirSync(at(`fused/frame00000${frame}/stereo`), { recursive: true })
      const positions = Float32Array.from([0, 0, 4, 1, 0, 4, 0, 1, 4, 1, 1, 4, ...(frame === 1 ? [5, 5, 5] : [])])
      const colors = new Uint8Array(positions.length).fill(9)
      writeFileSync(at(`fused/frame00000${frame}/stereo/fused.ply`), writePointCloud({ positions, colors }))
    }
    const options = { test: { names: ['cam3'] }, clipSize: 1, voxel: 0.1, threshold: 0.05 }
    const { report } = await run(at('fused'), at('f'), options)
    expect(report.clips.map(({ points }) => points)).toEqual([4, 1])
    expect([...readPointCloud(readFileSync(at('f/plys/1.ply'))).positions]).toEqual([5, 5, 5])
    expect(readPointCloud(readFileSync(at('f/plys_candidates/1.ply'))).count).toBe(5)
  })
})
