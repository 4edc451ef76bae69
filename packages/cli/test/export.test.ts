import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readCameraPath, readGaussianPly, readSpz } from '@clipgstream/io'
import { SplatTransformMissingError } from '@clipgstream/io/node'
import { CommandError } from 'clipgstream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clipgstream } from './clipgstream.js'

const sample = fileURLToPath(new URL('../../../samples/court-mini', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'clipgstream-export-'))
const run = join(folder, 'run')
const one = ['--threads', '1', '--device', 'wasm']

afterAll(() => rmSync(folder, { recursive: true, force: true }))

beforeAll(async () => {
  const small = ['--preset', 'mini', '--iterations', '1', '--downsample', '8', '--clips', '0', ...one]
  await clipgstream('train', sample, run, ...small)
})

it('writes a frame as PLY and as SPZ, which agree', async () => {
  await clipgstream('export', run, '--frames', '3', ...one)
  await clipgstream('export', run, '--frames', '3', '--format', 'spz', ...one)
  expect(readdirSync(join(run, 'export'))).toEqual(['00003.ply', '00003.spz'])
  const read = (name: string) => new Uint8Array(readFileSync(join(run, 'export', name)))
  const ply = readGaussianPly(read('00003.ply'))
  const spz = readSpz(read('00003.spz'))
  expect(spz.opacities.length).toBe(ply.opacities.length)
  const apart = ply.means.reduce((most, value, i) => Math.max(most, Math.abs(value - spz.means[i]!)), 0)
  expect(apart).toBeLessThan(2 ** -12)
  expect(read('00003.spz').length).toBeLessThan(read('00003.ply').length / 3)
})

it('writes a camera path without a device', async () => {
  const said = await clipgstream('--json', 'export', run, '--path', 'orbit', '--steps', '6', '--rate', '24')
  expect(JSON.parse(said.trim())).toMatchObject({ type: 'export-path', path: 'orbit', cameras: 6 })
  // An eighth of 160 x 90 is 20 x 12, whose pixels are not square.
  expect(said).toContain('focal lengths that differ by up to 6.25 %')
  const path = readCameraPath(new Uint8Array(readFileSync(join(run, 'export', 'camera_path.json'))))
  expect(path).toMatchObject({ fps: 24, closed: true })
  expect(path.views).toHaveLength(6)
  await expect(clipgstream('export', folder, '--path', 'orbit')).rejects.toThrow(CommandError)
})

it('refuses other formats, and says what a format needs', async () => {
  await expect(clipgstream('export', run, '--format', 'obj')).rejects.toThrow(/ply, spz, sog, glb/)
  // Where the package is installed the file is written instead.
  const made = await clipgstream('export', run, '--frames', '3', '--format', 'glb', ...one).catch(
    (error: unknown) => error,
  )
  if (typeof made === 'string') expect(readdirSync(join(run, 'export'))).toContain('00003.glb')
  else expect(made).toBeInstanceOf(SplatTransformMissingError)
})

describe('render --camera-path', () => {
  const file = join(folder, 'walk.json')
  const render = (...more: string[]) => clipgstream('--json', 'render', run, '--camera-path', file, ...one, ...more)

  beforeAll(async () => {
    const out = join(folder, 'walk')
    await clipgstream('export', run, '--path', 'through', '--steps', '3', '--out', out)
    copyFileSync(join(out, 'camera_path.json'), file)
  })

  it('draws the cameras of a file, frame by frame or at the times that it gives', async () => {
    await render()
    const drawn = join(run, 'test', 'renders', 'walk')
    expect(readdirSync(drawn)).toEqual(['00000.png', '00001.png', '00002.png'])
    const moving = readFileSync(join(drawn, '00000.png'))
    const content = JSON.parse(readFileSync(file, 'utf8'))
    const [first] = content.camera_path
    const timed = [0, 1].map((render_time) => ({ ...first, render_time }))
    writeFileSync(file, JSON.stringify({ ...content, camera_path: timed }))
    await render('--out', join(folder, 'timed'))
    const [early, late] = [0, 1].map((i) => readFileSync(join(folder, 'timed', 'walk', `0000${i}.png`)))
    expect(early).toEqual(moving)
    expect(late).not.toEqual(early)
  })

  it('names the file and the field that is wrong', async () => {
    const content = JSON.parse(readFileSync(file, 'utf8'))
    const [first] = content.camera_path
    writeFileSync(file, JSON.stringify({ ...content, camera_path: [{ ...first, render_time: 1.5 }] }))
    await expect(render()).rejects.toThrow(/walk\.json: camera_path\[0\]\.render_time: .* got 1\.5/)
    writeFileSync(file, JSON.stringify({ ...content, camera_path: [{ ...first, fov: 190 }] }))
    await expect(render()).rejects.toThrow(/walk\.json: .*fov/)
    rmSync(file)
    await expect(render()).rejects.toThrow(/walk\.json cannot be read/)
    await expect(render('--path', 'orbit')).rejects.toThrow(/cannot be used with option '--path/)
  })
})
