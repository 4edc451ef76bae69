import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ProcessError } from '@clipgstream/process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeVideo, type TestVideo } from '../../process/test/videos.js'
import { probeVideos } from '../src/inspect/videos.js'
import { inspect, type Told } from './clipgstream.js'

const folder = mkdtempSync(join(tmpdir(), 'clipgstream-inspect-videos-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const size = { width: 64, height: 48 }
const names = ['cam0', 'cam1', 'cam2', 'cam3']
/** A bright bar jumps from side to side, at moments that fit in one way only. */
const jumps = [0, 3, 4, 9, 11, 12, 17, 20, 22, 27, 28, 33, 35]
const isLeft = (frame: number) => jumps.filter((jump) => jump <= frame).length % 2 === 0
/** Grain that no two pictures share. */
const grain = (seed: number, x: number, y: number) =>
  (Math.imul(seed * 7919 + x * 104729 + y * 1299709, 0x9e3779b1) >>> 27) % 24
const pixels = (camera: number) => (frame: number, x: number, y: number) => {
  const bar = isLeft(frame) ? x >= 8 && x < 24 : x >= 40 && x < 56
  const value = (bar ? 180 : 60) + grain(97 * camera + frame, x, y)
  return [value, value, value] as const
}
/** Of cam2. */
const pixel = pixels(2)

/** A folder of four videos without a calibration; cam2 may be another one. */
async function rig(name: string, cam2: Partial<TestVideo> = {}): Promise<string> {
  const path = join(folder, name)
  mkdirSync(path)
  for (const [i, camera] of names.entries()) {
    const video = { ...size, frames: 24, pixel: pixels(i), ...(camera === 'cam2' ? cam2 : {}) }
    await makeVideo(join(path, `${camera}.mp4`), video)
  }
  return path
}

/** `severity what: where (figure)` of what the videos are about. */
const told = ({ findings }: Told) =>
  findings
    .filter(({ check }) => check !== 'files')
    .map(({ severity, what, where, figure }) => `${severity} ${what}: ${where}${figure === '' ? '' : ` (${figure})`}`)

let good = ''
beforeAll(async () => {
  good = await rig('good')
})

/** Writes over cam2. */
const spoil = (path: string, edit: (bytes: Buffer) => Uint8Array) =>
  writeFileSync(join(path, 'cam2.mp4'), edit(readFileSync(join(path, 'cam2.mp4'))))

describe('videos that are whole and in step', () => {
  it('are told with codec, size, rate and times', async () => {
    const found = await inspect(good)
    expect(told(found)).toEqual([])
    expect(found.videos).toHaveLength(4)
    expect(found.videos[2]).toMatchObject({
      ...{ name: 'cam2', codec: 'h264', width: 64, height: 48, frames: 24, fps: 10, seconds: 2.4 },
      ...{ variable: false, repeated: 0, missing: 0, turned: null, audio: false, damage: null },
    })
  })

  it('have their pictures in the report', async () => {
    const report = join(folder, 'report')
    const found = await inspect(good, '--report', report)
    expect(told(found).map((text) => text.replace(/\d\.\d+/, 'n'))).toEqual([
      'note cameras are alike in mean colour: cam0, cam1, cam2, cam3 (red and blue within n stops)',
    ])
    const page = readFileSync(join(report, 'report.html'), 'utf8')
    expect(page).toContain('<h2>Videos</h2>')
    expect(page).toContain('<td>h264</td><td>64x48</td><td>24</td><td>10</td><td>2.40</td><td>even</td>')
    expect(page).toContain('sheets/cameras-0.jpg')
  })
})

describe('what is wrong with videos is named:', () => {
  it('different numbers of frames', async () => {
    const path = await rig('uneven', { frames: 22 })
    const found = await inspect(path)
    expect(told(found)).toEqual(['stop cameras have different numbers of frames: 24 (cam0, cam1, cam3), 22 (cam2)'])
    expect(found.code).toBe(1)
    expect(told(await inspect(path, '--allow-gaps'))[0]).toMatch(/^look cameras have different numbers/)
  })

  it('a video that was cut off, and one that is empty', async () => {
    const path = await rig('cut')
    spoil(path, (bytes) => bytes.subarray(0, Math.floor(bytes.length * 0.7)))
    const found = await inspect(path, '--report', join(folder, 'cut-report'))
    expect(told(found)[0]).toMatch(/^stop the video is cut off or damaged: cam2 \(\d+ of 24 frames can be used\)$/)
    expect(found.verdict).toBe('will not train')
    // What comes before the damage is looked at.
    expect(readFileSync(join(folder, 'cut-report', 'report.html'), 'utf8')).toMatch(/is cut off or damaged after frame/)
    spoil(path, () => new Uint8Array())
    expect(told(await inspect(path))).toEqual(['stop the video cannot be read: cam2 (the file is empty)'])
  })

  it('a camera that began two frames late, with the offset that mends it', async () => {
    const path = await rig('late', { pixel: (frame, x, y) => pixel(frame + 2, x, y) })
    const { findings } = await inspect(path, '--report', join(folder, 'late-report'))
    expect(findings.find(({ check }) => check === 'time')).toMatchObject({
      severity: 'look',
      what: 'seems to move 2 frames before the others',
      where: 'cam2',
      remedy: 'if that is so, process --offsets cam2=-2 mends it',
    })
  })

  it('time stamps with holes', async () => {
    const times = Array.from({ length: 24 }, (_, i) => (i < 8 ? i : i + 3))
    const found = await inspect(await rig('holes', { times }))
    expect(told(found)).toContain(
      'look frames are missing or doubled, by their time stamps: cam2 (3 missing, 0 doubled)',
    )
  })

  it('pictures that come twice', async () => {
    const path = await rig('twice', {
      pixel: (frame, x, y) => pixel(frame === 13 || frame === 14 ? 12 : frame, x, y),
      quality: 0,
    })
    const found = await inspect(path, '--report', join(folder, 'twice-report'))
    expect(found.findings.filter(({ where }) => /^cam2, frame 13/.test(where)).length).toBe(1)
  })

  it('another frame rate, another size and sound', async () => {
    const sound = Float32Array.from({ length: 8000 }, (_, i) => 0.1 * Math.sin(i))
    const found = told(await inspect(await rig('other', { rate: 12, width: 48, height: 64, sound })))
    expect(found).toEqual([
      'stop cameras have different frames a second: 10 (cam0, cam1, cam3), 12 (cam2)',
      'note cameras have different codecs or sizes: h264 64x48 (cam0, cam1, cam3), h264 48x64 (cam2)',
      'note some videos have no sound: cam0, cam1, cam3',
    ])
  })

  it('a video that is to be turned', async () => {
    const path = await rig('turned')
    spoil(path, (bytes) => {
      // The matrix of the track header, as a phone writes it that is held upright.
      const matrix = bytes.indexOf('tkhd') + 4 + 40
      const values = [0, 1, 0, -1, 0, 0]
      values.forEach((value, i) => {
        bytes.writeInt32BE(value * 0x10000, matrix + 4 * i)
      })
      return bytes
    })
    const found = await inspect(path)
    expect(told(found)).toEqual([
      'look this video is to be turned, and process turns it: cam2 (a quarter clockwise)',
      'note cameras have different codecs or sizes: h264 64x48 (cam0, cam1, cam3), h264 48x64 (cam2)',
    ])
    expect(found.videos[2]).toMatchObject({ turned: 'a quarter clockwise' })
  })

  it('a camera of another white balance', async () => {
    const warm = (frame: number, x: number, y: number) => {
      const [value] = pixel(frame, x, y)
      return [Math.min(255, 1.3 * value), value, 0.8 * value] as const
    }
    const found = await inspect(await rig('warm', { pixel: warm }), '--report', join(folder, 'warm-report'))
    const colour = found.findings.filter(({ check }) => check === 'colour')
    expect(colour).toHaveLength(1)
    expect(colour[0]).toMatchObject({ severity: 'look', where: 'cam2' })
    expect(colour[0]?.figure).toMatch(/^red \+0\.3\d, blue -0\.3\d stops/)
  })
})

it('says what to install where videos cannot be read at all', async () => {
  const source = { kind: 'video', path: 'cam0.mp4' } as const
  const cameras = [{ name: 'cam0', test: false, calibration: null, source }]
  const failing = () => Promise.reject(new ProcessError('videos need the optional package node-av'))
  expect(await probeVideos({ cameras }, folder, failing)).toEqual({
    videos: [],
    missing: 'videos need the optional package node-av',
  })
})
