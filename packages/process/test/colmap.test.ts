import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  ColmapError,
  findColmap,
  type ProcessEvent,
  type ProcessOptions,
  processRecordings,
} from '@clipgstream/process'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { model, writeImages, writeModel } from './scene.js'

const folder = mkdtempSync(join(tmpdir(), 'clipgstream-colmap-'))
const program = fileURLToPath(new URL('fake-colmap.mjs', import.meta.url))
const at = (name: string) => join(folder, name)
const options: ProcessOptions = {
  ...{ calibrate: 'colmap', clouds: 'random', randomPoints: 100, clipSize: 2, format: 'png' },
  ...{ test: { names: ['cam3'] }, colmap: { program } },
}

beforeAll(async () => {
  await writeImages(at('images'), 3)
  const png = (which: readonly string[]) => which.map((name) => `${name}.png`)
  writeModel(at('models/full'), model('png'))
  writeModel(at('models/part'), model('png', png(['cam0', 'cam1', 'cam3'])))
  writeModel(at('models/rest'), model('png', png(['cam1', 'cam2'])))
  writeModel(
    at('models/moments'),
    model(
      'png',
      ['cam0', 'cam1', 'cam2', 'cam3'].map((name) => `${name}/0.png`),
    ),
  )
  const { cameras, images } = model('png')
  const [first, second, ...others] = images
  if (!first || !second) throw new Error('the model has two images at least')
  writeModel(at('models/folded'), { cameras, images: [first, { ...second, pose: first.pose }, ...others] })
  process.env['FAKE_MODELS'] = at('models')
})
afterEach(() => {
  delete process.env['FAKE_COLMAP']
})
afterAll(() => {
  delete process.env['FAKE_MODELS']
  rmSync(folder, { recursive: true, force: true })
})

async function run(dataset: string, mode = '', more: ProcessOptions = {}) {
  process.env['FAKE_COLMAP'] = mode
  const events: ProcessEvent[] = []
  const report = await processRecordings(at('images'), at(dataset), { ...options, ...more }, (event) =>
    events.push(event),
  )
  return { report, events }
}

const calls = (dataset: string) =>
  readFileSync(at(`${dataset}/.process/colmap/calls.txt`), 'utf8')
    .trim()
    .split('\n')

describe('calibration with COLMAP', () => {
  it('calls it with the options of the layout, and shows what it prints', async () => {
    const { report, events } = await run('a')
    expect(report.cameras).toHaveLength(4)
    expect(calls('a').slice(0, 3)).toEqual([
      'feature_extractor --database_path database.db --image_path images --ImageReader.camera_model SIMPLE_RADIAL --SiftExtraction.use_gpu 0 --SiftExtraction.peak_threshold 0.003',
      'matches_importer --database_path database.db --match_list_path pairs.txt --match_type pairs --SiftMatching.use_gpu 0 --SiftMatching.guided_matching 1',
      'mapper --database_path database.db --image_path images --output_path sparse.partial --Mapper.ba_global_function_tolerance 0.000001',
    ])
    // With four cameras every pair.
    expect(readFileSync(at('a/.process/colmap/pairs.txt'), 'utf8').trim().split('\n')).toHaveLength(6)
    const after = calls('a').slice(3)
    expect(new Set(after.map((call) => call.split(' ')[0]))).toEqual(new Set(['point_filtering', 'bundle_adjuster']))
    const printed = events.flatMap((event) => (event.type === 'output' ? [event.text] : []))
    expect(printed.slice(0, 4)).toEqual([
      'COLMAP 3.8 without CUDA',
      'feature_extractor at work',
      'matches_importer at work',
      'mapper at work',
    ])
    expect(printed.at(-1)).toMatch(/^refined: /)
    // A calibration that is about to be computed is not missing.
    expect(events.some((event) => 'message' in event && /no calibration/.test(event.message))).toBe(false)
    expect(readFileSync(at('a/.process/colmap/database.db'), 'utf8')).toBe('cam0.png cam1.png cam2.png cam3.png')
  })

  it('takes several moments, neighbours, one lens, and options as they are given', async () => {
    const colmap = {
      program,
      neighbours: 1,
      sharedLens: true,
      cameraModel: 'SIMPLE_PINHOLE',
      set: { mapper: { 'Mapper.x': '7' } },
    }
    const { report } = await run('b', 'moments', { colmapFrames: 2, colmap })
    expect(report.cameras).toHaveLength(4)
    const [extract, match, addFeatures, addMatches, map] = calls('b')
    expect(extract).toContain('--ImageReader.camera_model SIMPLE_PINHOLE --ImageReader.single_camera 1')
    expect(match).toBe(
      'matches_importer --database_path database.db --match_list_path pairs.txt --match_type pairs --SiftMatching.use_gpu 0 --SiftMatching.guided_matching 1',
    )
    expect(readFileSync(at('b/.process/colmap/pairs.txt'), 'utf8').trim().split('\n')).toHaveLength(8)
    expect(addFeatures).toMatch(
      /^feature_importer --database_path joined\/database.db .*--ImageReader.single_camera 1$/,
    )
    expect(addMatches).toMatch(/^matches_importer --database_path joined\/database.db .*--match_type raw/)
    expect(map).toMatch(/^mapper --database_path joined\/database.db .*--Mapper.x 7$/)
    // The lens was asked for: no other is tried.
    expect(calls('b').filter((call) => call.startsWith('bundle_adjuster'))).toHaveLength(5)
  })

  it('names the cameras that could not be placed, and goes on without them if told to', async () => {
    await expect(run('c', 'parts')).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ColmapError: COLMAP could not place 1 of 4 cameras: cam2. It found 2 models that do not hang together, of 3, 2 cameras. They see too little of what the others see, or are blurred or dark. Give a calibration, add cameras or moments (--colmap-frames) between, or go on without them by --allow-missing-cameras]`,
    )
    const { report, events } = await run('c', 'parts', { colmap: { program, allowMissing: true } })
    expect(report.cameras.map(({ name }) => name)).toEqual(['cam0', 'cam1', 'cam3'])
    expect(
      events.some(
        (event) => event.type === 'warning' && /could not place 1 of 4 cameras: cam2.*left out$/.test(event.message),
      ),
    ).toBe(true)
  })

  it('explains what fails', async () => {
    await expect(run('d', 'none')).rejects.toThrow(
      /found no two of the 4 cameras with enough in common.*\n.*last lines/,
    )
    await expect(run('d', 'fail feature_extractor')).rejects.toThrowErrorMatchingInlineSnapshot(`
      [ColmapError: COLMAP feature_extractor failed with code 1
        COLMAP's last lines:
          feature_extractor at work
          ERROR: something broke]
    `)
    await expect(run('d', 'old')).rejects.toThrow(/is COLMAP 3.5; version 3.6 or later is needed/)
    await expect(run('d', 'other')).rejects.toThrow(/is not COLMAP/)
    await expect(findColmap(at('nowhere'))).rejects.toThrow(/COLMAP was not found \(.*\); install it/)
    await expect(findColmap(at('nowhere'))).rejects.toThrow(ColmapError)
    // The same folder, once it works.
    expect((await run('d')).report.usable).toBe(true)
  })

  it('takes an option that COLMAP does not know for what it is', async () => {
    await expect(run('o', '', { colmap: { program, set: { mapper: { foo: '3' } } } })).rejects.toThrow(
      /mapper does not know the option foo; look at --colmap-set/,
    )
  })

  it('is not believed when what it wrote is not whole', async () => {
    await expect(run('w', 'full')).rejects.toThrow(
      /wrote a model that is not whole \(.*cameras.bin.*Is the disk full\?/,
    )
    expect(readdirSync(at('w/.process/colmap'))).not.toContain('sparse')
    expect((await run('w')).report.usable).toBe(true)
  })

  it('is asked for before anything is made or removed', async () => {
    const missing = { colmap: { program: at('nowhere') } }
    await expect(run('e', '', missing)).rejects.toThrow(/COLMAP was not found/)
    expect(readdirSync(at('e/.process'))).toEqual([])
    await run('e')
    const solved = readFileSync(at('e/.process/cameras-solved.json'), 'utf8')
    // Cameras that are there need no COLMAP; others may not cost them.
    expect((await run('e', '', missing)).report.usable).toBe(true)
    await expect(run('e', '', { ...missing, colmapFrames: 2 })).rejects.toThrow(/COLMAP was not found/)
    expect(readFileSync(at('e/.process/cameras-solved.json'), 'utf8')).toBe(solved)
    expect(readdirSync(at('e/.process/colmap'))).toContain('refined')
  })

  it('refuses a rig that was folded onto itself', async () => {
    await expect(run('f', 'folded')).rejects.toThrow(
      /cameras into the same place: cam0 and cam1.*folded onto itself.*--colmap-neighbours 3/,
    )
    // Where the user has said who stands beside whom, cameras may stand in pairs.
    const { report, events } = await run('f', 'folded', { colmap: { program, neighbours: 1 } })
    expect(report.cameras).toHaveLength(4)
    const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
    expect(warnings.some((message) => /same place: cam0 and cam1/.test(message))).toBe(true)
    // The models here have no points at all.
    expect(warnings).toContainEqual(expect.stringMatching(/^few points hold cam0 \(0\), cam1 \(0\), cam2 \(0\), cam3/))
  })

  it('does not outlive its parent, however that ends', async () => {
    const isGone = async (dataset: string) => {
      const pid = Number(readFileSync(at(`${dataset}/.process/colmap/hanging.txt`), 'utf8'))
      const alive = () => {
        try {
          return process.kill(pid, 0)
        } catch {
          return false
        }
      }
      for (let i = 0; i < 100 && alive(); i++) await setTimeout(50)
      return !alive()
    }
    const child = fileURLToPath(new URL('child.mjs', import.meta.url))
    const env = { ...process.env, FAKE_COLMAP: 'hang matches_importer' }
    const { signal } = spawnSync(process.execPath, [child, at('images'), at('h'), JSON.stringify(options)], { env })
    expect(signal).toBe('SIGKILL')
    expect(await isGone('h')).toBe(true)
    const stop = new AbortController()
    process.env['FAKE_COLMAP'] = 'hang matches_importer'
    const running = processRecordings(at('images'), at('i'), { ...options, signal: stop.signal })
    const settled = expect(running).rejects.toThrow('enough')
    while (!existsSync(at('i/.process/colmap/hanging.txt'))) await setTimeout(20)
    stop.abort(new Error('enough'))
    await settled
    expect(await isGone('i')).toBe(true)
  })

  it.each(['bundle_adjuster', 'mapper'])('goes on after a kill where COLMAP was: %s', async (command) => {
    const dataset = `killed-${command}`
    const child = fileURLToPath(new URL('child.mjs', import.meta.url))
    const env = { ...process.env, FAKE_COLMAP: `kill ${command}` }
    const { signal } = spawnSync(process.execPath, [child, at('images'), at(dataset), JSON.stringify(options)], { env })
    expect(signal).toBe('SIGKILL')
    const { report, events } = await run(dataset)
    expect(report.usable).toBe(true)
    expect(events).toContainEqual({ type: 'step', step: 'cameras', state: 'resume', reason: 'was interrupted' })
    expect(readFileSync(at(`${dataset}/.process/colmap/database.db`), 'utf8')).not.toBe('')
  })
})
