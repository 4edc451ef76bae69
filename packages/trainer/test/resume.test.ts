import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import {
  type Config,
  createMemoryRun,
  NonFiniteError,
  type PartialConfig,
  type RunFolder,
  type TrainEvent,
  type TrainingData,
  train,
} from '@clipgstream/trainer'
import { createLogWriter, openRunFolder } from '@clipgstream/trainer/node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tinyConfig, tinyData } from './tiny-data.js'

let device: WasmDevice
beforeEach(async () => {
  device = await createWasmDevice({ threads: 1, poison: true })
})
afterEach(() => device.dispose())

class Killed extends Error {}

/** Fails at write or removal number `at` and at none before, as a kill would. */
function fragile(run: RunFolder, at: number): RunFolder {
  let count = 0
  const guard = async (work: () => Promise<void>) => {
    if (count++ === at) throw new Killed()
    await work()
  }
  return {
    ...run,
    write: (path, bytes) => guard(() => run.write(path, bytes)),
    remove: (path) => guard(() => run.remove(path)),
  }
}

interface Attempt {
  run: RunFolder
  config: Config
  data?: TrainingData
  signal?: AbortSignal
  onEvent?: (event: TrainEvent) => void
}

async function attempt({ run, config, data = tinyData(), signal, onEvent = () => {} }: Attempt, resume = true) {
  for await (const event of train({ device, data, run, config, resume, ...(signal && { signal }) })) onEvent(event)
}

async function filesOf(run: Map<string, Uint8Array>): Promise<Record<string, string>> {
  return Object.fromEntries([...run].sort().map(([path, bytes]) => [path, Buffer.from(bytes).toString('base64')]))
}

async function wholeRun(config: Config) {
  const files = new Map<string, Uint8Array>()
  await attempt({ run: createMemoryRun(files), config }, false)
  return filesOf(files)
}

describe('a run that is killed', () => {
  const growth = {
    enabled: true,
    statisticsFrom: 0,
    growFrom: 2,
    until: 40,
    interval: 3,
    gradientThreshold: 1e-7,
    successThreshold: 0.1,
    voxelSize: 0.002,
  }
  it.each([
    ['plain', {}],
    ['with colour maps and growth', { colorCompensation: { enabled: true }, growth }],
    ['with independent clips', { ablation: { independentClips: true } }],
    ['with a table in f16', { execution: { table: 'f16' } }],
  ] as [string, PartialConfig][])('at any write resumes to equal bytes: %s', async (_, over) => {
    const config = tinyConfig({
      optimizer: { iterations: 6 },
      checkpointing: { every: 2, logEvery: 4, evaluateAt: [] },
      ...over,
    })
    const expected = await wholeRun(config)
    for (let at = 0; ; at++) {
      const files = new Map<string, Uint8Array>()
      const run = createMemoryRun(files)
      const killed = await attempt({ run: fragile(run, at), config }).then(
        () => false,
        (error) => {
          if (error instanceof Killed) return true
          throw error
        },
      )
      if (!killed) break
      await attempt({ run, config })
      expect(await filesOf(files)).toEqual(expected)
    }
  })

  it('by an abort leaves a checkpoint and resumes to equal bytes', async () => {
    const config = tinyConfig({ checkpointing: { every: null, logEvery: 5, evaluateAt: [] } })
    const expected = await wholeRun(config)
    const files = new Map<string, Uint8Array>()
    const run = createMemoryRun(files)
    const events: TrainEvent[] = []
    for (const [clip, iteration] of [
      [0, 10],
      [1, 5],
    ] as const) {
      const controller = new AbortController()
      await attempt({
        run,
        config,
        signal: controller.signal,
        onEvent(event) {
          events.push(event)
          if (event.type === 'step' && event.clip === clip && event.iteration === iteration) controller.abort()
        },
      })
    }
    expect(events.filter(({ type }) => type === 'aborted')).toEqual([
      { type: 'aborted', clip: 0, iteration: 10 },
      { type: 'aborted', clip: 1, iteration: 5 },
    ])
    await attempt({ run, config })
    expect(await filesOf(files)).toEqual(expected)
  })

  it('refuses other settings or data for a checkpoint', async () => {
    const config = tinyConfig()
    const run = createMemoryRun()
    const controller = new AbortController()
    controller.abort()
    await attempt({ run, config, signal: controller.signal })
    const faster = tinyConfig({ optimizer: { rates: { scaling: { initial: 0.1 } } } })
    await expect(attempt({ run, config: faster })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[RunMismatchError: this run was made with optimizer.rates.scaling.initial 0.007, not 0.1. Use the settings of the run (they are in its clipstream.json) or train into another folder]`,
    )
    await expect(attempt({ run, config }, false)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[RunExistsError: clip 0 has been begun in this run; resume the run, choose other clips, or train into another folder]`,
    )
    await attempt({ run, config: tinyConfig({ checkpointing: { every: 2, logEvery: 20, evaluateAt: [] } }) })
  })

  it('on disk leaves nothing behind and takes no half file for whole', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'clipgstream-'))
    try {
      const config = tinyConfig({ optimizer: { iterations: 6 } })
      await attempt({ run: await openRunFolder(folder), config })
      await writeFile(join(folder, 'clips', `.field.safetensors.${process.pid}-00000000-1.partial`), 'half')
      const run = await openRunFolder(folder)
      expect(await readdir(join(folder, 'clips'))).toEqual(['00000', '00001'])
      const memory = await wholeRun(config)
      for (const [path, content] of Object.entries(memory))
        expect(Buffer.from(await run.read(path)).toString('base64'), path).toBe(content)
      expect((await readdir(folder)).sort()).toEqual(['clips', 'clipstream.json', 'reference'])
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('a run that diverges', () => {
  it('ends with an error and keeps the last good state', async () => {
    const data = tinyData()
    const config = tinyConfig({ checkpointing: { every: 4, logEvery: 5, evaluateAt: [] } })
    const run = createMemoryRun()
    const huge = tinyConfig({ ...config, optimizer: { rates: { color: { initial: 1e38, final: 1e38 } } } })
    const error = await attempt({ run, config: huge, data }, false).catch((error) => error)
    expect(error).toBeInstanceOf(NonFiniteError)
    expect(error.message).toMatchInlineSnapshot(
      `"clip 0: the loss is not finite at iteration 3. No checkpoint of this clip exists yet; lower the learning rates (optimizer.rates) or look for damaged images and clouds"`,
    )
    expect(await run.exists('clips/00000/clip.json')).toBe(false)
    expect(device.bytesInUse).toBe(0)
  })

  it.each(['f32', 'f16'] as const)('may have a table beyond f16 unless it is read in f16: %s', async (table) => {
    const rates = { field: { initial: 1e9, final: 1e9 } }
    const checkpointing = { every: null, logEvery: 1, evaluateAt: [] }
    const config = tinyConfig({ optimizer: { iterations: 1, rates }, checkpointing, execution: { table } })
    const outcome = await attempt({ run: createMemoryRun(), config, data: tinyData({ frames: 1 }) }, false).catch(
      String,
    )
    const remedy = 'lower the learning rates (optimizer.rates) or look for damaged images and clouds'
    const reason = 'clip 0: field.table in f16 is not finite at iteration 1. No checkpoint of this clip exists yet'
    expect(outcome).toBe(table === 'f32' ? undefined : `NonFiniteError: ${reason}; ${remedy}`)
  })
})

describe('log writers', () => {
  it('append every event as JSON and scalars for TensorBoard', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'clipgstream-'))
    try {
      const log = await createLogWriter(folder, () => 0)
      const events: TrainEvent[] = []
      await attempt({
        run: createMemoryRun(),
        config: tinyConfig({ checkpointing: { every: null, logEvery: 10, evaluateAt: [20] } }),
        onEvent: (event) => events.push(event),
      })
      for (const event of events) await log.write(event)
      const [lines, board] = (await readdir(folder)).sort()
      const text = await import('node:fs/promises').then(({ readFile }) => readFile(join(folder, lines!), 'utf8'))
      const parsed = text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(parsed.map(({ type }) => type)).toEqual(events.map(({ type }) => type))
      expect(text).not.toContain('rendered')
      expect(board).toMatch(/^events\.out\.tfevents\.0\./)
      const bytes = await import('node:fs/promises').then(({ readFile }) => readFile(join(folder, board!)))
      const records: Buffer[] = []
      for (let at = 0; at < bytes.length; ) {
        const length = Number(bytes.readBigUInt64LE(at))
        records.push(bytes.subarray(at + 12, at + 12 + length))
        at += length + 16
      }
      expect(records).toHaveLength(1 + 4 + 2)
      expect(records.map((record) => record.toString('latin1')).join('')).toContain('clip0/train/loss')
      expect(records.map((record) => record.toString('latin1')).join('')).toContain('\x89PNG')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
