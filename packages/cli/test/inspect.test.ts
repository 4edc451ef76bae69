import { copyFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readPointCloud, writePointCloud } from '@clipgstream/io'
import sharp, { type Sharp } from 'sharp'
import { afterAll, describe, expect, it } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { inspect, type Told } from './clipgstream.js'

const sample = fileURLToPath(new URL('../../../samples/court-mini', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'clipgstream-inspect-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function copy(name: string): string {
  const path = join(folder, name)
  cpSync(sample, path, { recursive: true })
  return path
}

const image = (root: string, frame: number, camera: number) =>
  join(root, `frame${String(frame).padStart(6, '0')}`, 'images', `view${String(camera).padStart(3, '0')}.jpg`)
const frames = Array.from({ length: 20 }, (_, frame) => frame)
/** The first clip alone. */
const one = ['--frames', '0-9']

async function change(root: string, frame: number, camera: number, edit: (input: Sharp) => Sharp) {
  const bytes = readFileSync(image(sample, frame, camera))
  writeFileSync(
    image(root, frame, camera),
    await edit(sharp(bytes)).jpeg({ quality: 99, chromaSubsampling: '4:4:4' }).toBuffer(),
  )
}

/** `camera: what` of everything that is worth a look, in natural order. */
const told = ({ findings }: Told) =>
  findings
    .filter(({ severity }) => severity !== 'note')
    .map(({ what, where }) => `${where}: ${what}`)
    .sort()

describe('inspect --report', () => {
  it('finds nothing in a good dataset, and writes pages that need nothing else', async () => {
    const report = join(folder, 'good')
    const found = await inspect(sample, '--report', report)
    expect(told(found)).toEqual([])
    expect(found).toMatchObject({ verdict: 'ok', code: 0, unchecked: [] })
    for (const file of ['report.html', 'report.json', 'sheets/cameras-0.jpg', 'overlays/clip0-view000.jpg'])
      expect(existsSync(join(report, file))).toBe(true)
    const page = readFileSync(join(report, 'scene.html'), 'utf8')
    expect(page).not.toMatch(/https?:|src="(?!data:)|@import/)
    const data = JSON.parse(/id="data">(.*?)<\/script>/s.exec(page)?.[1] ?? '')
    expect(data.cameras).toHaveLength(12)
    expect(data.cameras[0]).toMatchObject({ name: 'view000', test: true, flagged: false })
    expect(data.clouds.map(({ count }: { count: number }) => count)).toEqual([7500, 7500])
    const { width } = await sharp(join(report, 'sheets/cameras-0.jpg')).metadata()
    expect(width).toBeGreaterThan(1000)
  })

  it('says of random points that they lie on no surface', async () => {
    const random = copy('random')
    for (const clip of [0, 1]) {
      const { positions } = readPointCloud(readFileSync(join(sample, `plys/${clip}.ply`)))
      for (const path of [`plys/${clip}.ply`, `plys_candidates/${clip}.ply`])
        writeFileSync(
          join(random, path),
          writePointCloud({ positions, colors: new Uint8Array(positions.length).fill(128) }),
        )
    }
    const found = await inspect(random, '--report', join(folder, 'random-report'))
    expect(told(found)).toEqual([])
    expect(found).toMatchObject({ verdict: 'ok', code: 0 })
    expect(found.unchecked[0]).toMatch(/^cameras and colours against the points of clip 0: all have one colour/)
  })

  it('names cameras that are exchanged, flipped, or have wrong intrinsics, and no others', async () => {
    const broken = copy('calibration')
    for (const frame of frames) {
      copyFileSync(image(sample, frame, 2), image(broken, frame, 3))
      copyFileSync(image(sample, frame, 3), image(broken, frame, 2))
      await change(broken, frame, 7, (input) => input.flop())
      await change(broken, frame, 10, (input) => input.rotate(180))
    }
    const model = join(broken, 'sparse', '0')
    const text = readFileSync(join(model, 'cameras.txt'), 'utf8')
    // Camera 6 of the model is view005.
    const wrong = text.replace(
      /^(6 PINHOLE \d+ \d+) (\S+) (\S+)/m,
      (_, head, fx, fy) => `${head} ${fx * 1.15} ${fy * 1.15}`,
    )
    expect(wrong).not.toBe(text)
    writeFileSync(join(model, 'cameras.txt'), wrong)
    for (const file of ['cameras', 'images', 'points3D']) rmSync(join(model, `${file}.bin`))
    const found = await inspect(broken, '--report', join(folder, 'calibration-report'), ...one)
    expect(told(found)).toMatchInlineSnapshot(`
      [
        "view002: its images seem to be those of view003",
        "view003: its images seem to be those of view002",
        "view005: its intrinsics do not fit the images",
        "view007: its images seem to be mirrored left to right",
        "view010: its images seem to be turned by 180 degrees",
      ]
    `)
    expect(found.findings.find(({ where }) => where === 'view005')).toMatchObject({
      remedy: expect.stringContaining('focal lengths times 0.87'),
    })
    expect(found).toMatchObject({ verdict: 'look at', code: 0 })
  })

  it('names frames that are black, repeated or copied, and the camera that is not synchronised', async () => {
    const broken = copy('time')
    for (const frame of frames.slice(0, 19)) copyFileSync(image(sample, frame + 1, 5), image(broken, frame, 5))
    rmSync(join(broken, 'frame000019'), { recursive: true })
    copyFileSync(image(sample, 11, 9), image(broken, 12, 9))
    writeFileSync(
      image(broken, 7, 10),
      await sharp(image(sample, 6, 10))
        .jpeg({ quality: 99, chromaSubsampling: '4:4:4' })
        .toBuffer(),
    )
    await change(broken, 4, 11, (input) => input.linear(0.02, 0))
    copyFileSync(image(sample, 14, 1), image(broken, 14, 2))
    const found = await inspect(broken, '--report', join(folder, 'time-report'))
    expect(told(found)).toMatchInlineSnapshot(`
      [
        "view001 and view002, from frame000014 on: two cameras have the same images",
        "view005: seems to be 1 frame ahead of the others",
        "view009, frame000012: the same image as the frame before",
        "view010, frame000007: frozen while the other cameras go on",
        "view011, frame000004: nearly black",
      ]
    `)
    expect(found).toMatchObject({ verdict: 'look at', code: 0 })
  })

  it('names cameras that differ in colour and sharpness', async () => {
    const broken = copy('look')
    for (const frame of frames) {
      await change(broken, frame, 4, (input) => input.linear([1.3, 1.1, 0.9], [5, 0, 0]))
      await change(broken, frame, 6, (input) => input.blur(1.5))
    }
    const found = await inspect(broken, '--report', join(folder, 'look-report'), ...one)
    expect(found.findings.filter(({ severity }) => severity === 'look').map(({ check }) => check)).toEqual([
      'colour',
      'sharpness',
    ])
    expect(found.findings[0]?.where).toMatch(/^view004 \d+ \(gain/)
    expect(found.findings[1]?.where).toBe('view006')
  })

  it('says that it will not train when images are missing or broken, or all cameras are mixed up', async () => {
    const broken = copy('missing')
    for (const frame of [3, 4]) rmSync(image(broken, frame, 6))
    writeFileSync(image(broken, 8, 2), readFileSync(image(broken, 8, 2)).subarray(0, 900))
    const found = await inspect(broken, '--report', join(folder, 'missing-report'), ...one)
    const stops = found.findings.filter(({ severity }) => severity === 'stop')
    expect(stops.map(({ what, where }) => `${where}: ${what}`)).toMatchInlineSnapshot(`
      [
        ": camera view006 lacks an image in frame000003, frame000004; add it, or take the camera out of the model",
        "view002, frame000008: an image cannot be read",
      ]
    `)
    expect(found).toMatchObject({ verdict: 'will not train', code: 1 })

    const mixed = copy('mixed')
    for (const frame of frames)
      for (let camera = 0; camera < 12; camera++)
        copyFileSync(image(sample, frame, camera), image(mixed, frame, (camera + 5) % 12))
    const all = await inspect(mixed, '--report', join(folder, 'mixed-report'), ...one)
    expect(all).toMatchObject({ verdict: 'will not train', code: 1 })
    expect(all.findings[0]?.what).toBe('cameras, images and clouds do not belong together')
    expect(told(all)).toContain('view000: its images seem to be those of view005')
  })
})

describe('inspect', () => {
  it('is quick without a report, and with --quick', async () => {
    const found = await inspect(sample)
    expect(found).toMatchObject({ verdict: 'ok', code: 0 })
    const report = join(folder, 'quick')
    await inspect(sample, '--report', report, '--quick')
    expect(existsSync(join(report, 'scene.html'))).toBe(true)
    expect(existsSync(join(report, 'sheets'))).toBe(false)
  })

  it('tells of other captures what it has, and what could not be checked', async () => {
    const videos = fixture('fixtures/video-4cam')
    if (!videos) return
    const found = await inspect(videos, '--report', join(folder, 'videos'))
    expect(found).toMatchObject({ kind: 'qualisys', code: 0 })
    expect(found.unchecked).toEqual(['reprojection, coverage and colours: there is no point cloud'])
    expect(existsSync(join(folder, 'videos', 'sheets', 'cameras-0.jpg'))).toBe(true)
    expect(readFileSync(join(folder, 'videos', 'scene.html'), 'utf8')).toContain('cam01')
  })

  it('says what is wrong with a folder of nothing', async () => {
    const nothing = mkdtempSync(join(folder, 'nothing-'))
    expect(await inspect(nothing)).toMatchObject({ verdict: 'will not train', code: 1 })
  })
})
