import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readGaussianPly } from '@clipgstream/io'
import { CommandError, createProgram } from 'clipgstream'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { clipgstream } from './clipgstream.js'

const sample = fileURLToPath(new URL('../../../samples/court-mini', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'clipgstream-cli-'))
const run = join(folder, 'run')
// Few, small steps: what is tested is that the commands work together, not what they learn.
const small = ['--preset', 'mini', '--iterations', '3', '--downsample', '4', '--threads', '1', '--device', 'wasm']

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a command line in this process and returns what it printed; commander must not exit the process. */
function events(text: string): { type: string; [key: string]: unknown }[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe('from dataset to results', () => {
  beforeAll(async () => {
    await clipgstream('train', sample, run, ...small)
  })

  it('trains both clips and keeps the effective settings', () => {
    const manifest = JSON.parse(readFileSync(join(run, 'clipstream.json'), 'utf8'))
    expect(manifest.clips.map(({ kind }: { kind: string }) => kind)).toEqual(['reference', 'source'])
    expect(manifest.config.optimizer.iterations).toBe(3)
    expect(readdirSync(run).some((name) => name.startsWith('events.out.tfevents'))).toBe(true)
  })

  it('skips finished clips with --resume, and says what is wrong without', async () => {
    const said = events(await clipgstream('--json', 'train', sample, run, ...small, '--resume'))
    expect(said.filter(({ type }) => type === 'clip-skip')).toHaveLength(2)
    await expect(clipgstream('train', sample, run, ...small)).rejects.toThrow(/resume/)
  })

  it('renders, evaluates, encodes and exports', async () => {
    await clipgstream('render', run, '--frames', '3,13', '--threads', '1')
    await clipgstream('render', run, '--path', 'orbit', '--steps', '3', '--frames', '5', '--threads', '1')
    expect(readdirSync(join(run, 'test', 'renders')).sort()).toEqual(['orbit', 'view000', 'view008'])
    expect(readdirSync(join(run, 'test', 'renders', 'view000'))).toEqual(['00003.png', '00013.png'])

    const said = events(await clipgstream('--json', 'eval', run, sample, '--threads', '1'))
    expect(said.filter(({ type }) => type === 'frame')).toHaveLength(4)
    expect(readFileSync(join(run, 'test', 'view008.csv'), 'utf8')).toMatch(/^avg,/m)
    expect(readFileSync(join(run, 'test', 'report.html'), 'utf8')).toContain('<svg')

    const header = () =>
      readFileSync(join(run, 'test', 'view008.csv'), 'utf8')
        .split('\n')[0]
        ?.split(',')
    // Weights are looked for in a folder that has none: the column is there and not available.
    const lpips = ['--lpips-net', 'alex', '--lpips-weights', folder, '--threads', '1']
    await clipgstream('eval', run, sample, ...lpips)
    expect(header()).toContain('lpips-alex')
    await clipgstream('eval', run, sample, ...lpips, '--lpips-range', 'original')
    expect(header()).toContain('lpips-alex-01')
    expect(header()).not.toContain('lpips-alex')
    await expect(clipgstream('eval', run, sample, '--lpips-range', '01')).rejects.toThrow(/calibrated, original/)

    await clipgstream('video', run, '--views', 'orbit')
    expect(
      readFileSync(join(run, 'test', 'videos', 'orbit.mp4'))
        .subarray(4, 8)
        .toString(),
    ).toBe('ftyp')

    await clipgstream('export', run, '--frames', '3', '--threads', '1')
    const cloud = readGaussianPly(new Uint8Array(readFileSync(join(run, 'export', '00003.ply'))), '00003.ply')
    expect(cloud.opacities.length).toBeGreaterThan(7500)
  })

  it('measures frames a second, decoded and cached', async () => {
    const sizes = ['--size', '40x22', '--size', '32x24']
    const flags = ['--fps-test', '--frames', '9-10', '--draws', '3', '--threads', '1', '--device', 'wasm', ...sizes]
    const said = events(await clipgstream('--json', 'render', run, ...flags))
    expect(said.map(({ mode, width, height, images }) => [mode, width, height, images])).toEqual([
      ['decoded', 40, 22, 3],
      ['cached', 40, 22, 3],
      ['decoded', 32, 24, 3],
      ['cached', 32, 24, 3],
    ])
    for (const { fps, median, p95, p99, gaussians, peakBytes } of said) {
      for (const value of [fps, median, p95, p99, peakBytes]) expect(value).toBeGreaterThan(0)
      expect(gaussians).toBeGreaterThan(7500)
    }
    expect(await clipgstream('render', run, ...flags)).toMatch(/40x22 +cached/)
    await expect(clipgstream('render', run, '--fps-test', '--size', '0x4')).rejects.toThrow(/1352x1014/)
  })

  it('names what is not there', async () => {
    await expect(clipgstream('render', run, '--views', 'view099')).rejects.toThrow(/no camera view099; it has view000/)
    await expect(clipgstream('render', run, '--frames', '20')).rejects.toThrow(/no frame 20; it has 0 to 19/)
    await expect(clipgstream('video', run, '--views', 'spiral')).rejects.toThrow(CommandError)
    await expect(clipgstream('eval', folder, sample)).rejects.toThrow(/no clipstream.json/)
    await expect(clipgstream('render', folder)).rejects.toThrow(/clipstream.json/)
  })
})

describe('the command line', () => {
  it('takes the clip size from the dataset, unless a flag or a file names another', async () => {
    const dataset = join(folder, 'short-clips')
    cpSync(sample, dataset, { recursive: true })
    const meta = JSON.parse(readFileSync(join(sample, 'meta.json'), 'utf8'))
    writeFileSync(join(dataset, 'meta.json'), JSON.stringify({ ...meta, clip_size: 5 }))
    const settings = join(folder, 'settings.json')
    writeFileSync(settings, JSON.stringify({ clips: { size: 10 } }))
    const clipSize = async (name: string, ...flags: string[]) => {
      const target = join(folder, name)
      const how = [...small, '--iterations', '1', '--clips', '0', '--allow-gaps', ...flags]
      await clipgstream('train', dataset, target, ...how)
      return JSON.parse(readFileSync(join(target, 'clipstream.json'), 'utf8')).config.clips.size
    }
    expect(await clipSize('by-meta')).toBe(5)
    expect(await clipSize('by-file', '--config', settings)).toBe(10)
    expect(await clipSize('by-flag', '--clip-size', '4')).toBe(4)
  })

  it('inspects datasets, good and bad', async () => {
    expect(await clipgstream('inspect', sample)).toContain('can be used')
    expect(await clipgstream('inspect', folder)).toContain('cannot be used')
    expect(process.exitCode).toBe(1)
    process.exitCode = undefined
  })

  it('reports the devices', async () => {
    const [found] = events(await clipgstream('--json', 'doctor'))
    expect(found?.['device']).toMatch(/^wasm/)
  })

  it('refuses settings and devices that do not exist, by name', async () => {
    const other = join(folder, 'other')
    await expect(clipgstream('train', sample, other, '--set', 'grid.level=3')).rejects.toThrow(
      /did you mean grid.levels/,
    )
    await expect(clipgstream('train', sample, other, '--device', 'webgpu')).rejects.toThrow(/webgpu/)
    await expect(clipgstream('train', sample, other, '--devices', 'wasm,abacus')).rejects.toThrow(/each one of wasm/)
    await expect(clipgstream('train', sample, other, '--devices', 'wasm,wasm', ...small)).rejects.toThrow(/--device/)
    await expect(clipgstream('train', sample, other, '--clips', '7', ...small)).rejects.toThrow(/no clip 7/)
    const file = join(folder, 'broken.json')
    writeFileSync(file, '{')
    await expect(clipgstream('train', sample, other, '--config', file)).rejects.toThrow(/broken.json is not JSON/)
    expect(existsSync(join(other, 'clipstream.json'))).toBe(false)
  })

  it('ends with 2 where the command line is wrong, and with 0 after help', async () => {
    const ended = async (...args: string[]) => {
      const exit = vi.spyOn(process, 'exit').mockImplementation((code) => {
        throw new Error(`ended with ${code}`)
      })
      const program = createProgram('0.0.0')
      for (const command of [program, ...program.commands])
        command.configureOutput({ writeErr: () => {}, writeOut: () => {} })
      const found = await program.parseAsync(['node', 'clipgstream', ...args]).catch((error: unknown) => String(error))
      exit.mockRestore()
      return found
    }
    expect(await ended('process')).toBe('Error: ended with 2')
    expect(await ended('process', 'a', 'b', '--frames', '5')).toBe('Error: ended with 2')
    expect(await ended('prcess', 'a', 'b')).toBe('Error: ended with 2')
    expect(await ended('inspect', '--help')).toBe('Error: ended with 0')
  })

  it('shows help with examples for every command', async () => {
    for (const { name } of createProgram('0.0.0').commands.map((command) => ({ name: command.name() }))) {
      const text: string[] = []
      const program = createProgram('0.0.0')
      const command = program.commands.find((known) => known.name() === name)
      command?.exitOverride().configureOutput({ writeOut: (part) => text.push(part) })
      await expect(program.parseAsync(['node', 'clipgstream', name, '--help'])).rejects.toThrow()
      expect(text.join('')).toContain('Examples:')
    }
  })
})
