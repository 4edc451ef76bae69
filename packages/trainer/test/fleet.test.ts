import { fork } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createImageStore, openDataset } from '@clipgstream/io'
import { createNodeDecoder, nodeFolder } from '@clipgstream/io/node'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import {
  type Config,
  ConfigError,
  datasetOptions,
  type PartialConfig,
  readManifest,
  resolveConfig,
  type TrainEvent,
  train,
  trainingData,
} from '@clipgstream/trainer'
import { type DevicesOptions, type ForkWorker, openRunFolder, trainOnDevices } from '@clipgstream/trainer/node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const sample = fileURLToPath(new URL('../../../samples/court-mini', import.meta.url))
const builtWorker = fileURLToPath(new URL('../dist/node/fleet/worker.js', import.meta.url))
const failingWorker = fileURLToPath(new URL('./failing-worker.mjs', import.meta.url))

let folder: string
let expected: Record<string, string>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clipgstream-fleet-'))
  const config = tiny()
  using device = await createWasmDevice({ threads: 1 })
  const run = await openRunFolder(join(folder, 'one'))
  for await (const _ of train({ data: await dataOf(config), device, run, config }));
  expected = await filesOf(join(folder, 'one'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Three clips of at most seven frames; the last has no cloud of its own. */
function tiny(over: PartialConfig = {}): Config {
  return resolveConfig({
    preset: 'mini',
    file: {
      grid: { levels: 4, log2TableSize: 8 },
      decoders: { gaussiansPerAnchor: 1 },
      clips: { size: 7 },
      sampling: { downsample: 8 },
      optimizer: { iterations: 12 },
      checkpointing: { every: 4, logEvery: 2, evaluateAt: [] },
    },
    overrides: over,
  })
}

async function dataOf(config: Config) {
  const dataset = await openDataset(nodeFolder(sample), { ...datasetOptions(config), allowGaps: true })
  return trainingData(dataset, createImageStore(dataset, createNodeDecoder()), config)
}

async function start(name: string, over: Partial<DevicesOptions> = {}): Promise<AsyncGenerator<TrainEvent, void>> {
  const config = over.config ?? tiny()
  return trainOnDevices({
    ...{ data: await dataOf(config), dataset: { folder: sample, allowGaps: true }, run: join(folder, name), config },
    ...{ devices: ['wasm', 'wasm'], threads: 1 },
    ...over,
  })
}

async function collect(name: string, over: Partial<DevicesOptions> = {}): Promise<TrainEvent[]> {
  const events: TrainEvent[] = []
  for await (const event of await start(name, over)) events.push(event)
  return events
}

const of = <T extends TrainEvent['type']>(events: TrainEvent[], type: T) =>
  events.filter((event): event is Extract<TrainEvent, { type: T }> => event.type === type)

async function filesOf(run: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const entry of await readdir(run, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) files[relative(run, path)] = (await readFile(path)).toString('base64')
  }
  return files
}

/** Workers that can be seen from outside. */
function watched(onMessage: (message: { type: string; event?: TrainEvent }, kill: () => void) => void): ForkWorker {
  return () => {
    const child = fork(builtWorker, { serialization: 'advanced', stdio: ['ignore', 2, 2, 'ipc'], execArgv: [] })
    child.on('message', (message) => onMessage(message as { type: string }, () => child.kill('SIGKILL')))
    return child
  }
}

describe('training on two devices', () => {
  it('gives the bytes of one process, and says which device trains what', async () => {
    const events = await collect('two')
    expect(await filesOf(join(folder, 'two'))).toEqual(expected)
    const starts = of(events, 'clip-start')
    expect(starts.map(({ clip }) => clip)).toEqual([0, 1, 2])
    expect(starts.map(({ device }) => device)).toEqual(['wasm #1', 'wasm #1', 'wasm #2'])
    expect(of(events, 'start')[0]?.device).toBe('wasm #1, wasm #2')
    expect(of(events, 'done')[0]).toMatchObject({ clips: [0, 1, 2] })
    expect(of(events, 'done')[0]?.failed).toBeUndefined()
    const again = await collect('two', { resume: true })
    expect(again.map(({ type }) => type)).toEqual(['start', 'clip-skip', 'clip-skip', 'clip-skip', 'done'])
    await expect(collect('two')).rejects.toThrowErrorMatchingInlineSnapshot(
      `[RunExistsError: clip 0 has been trained in this run; resume the run, choose other clips, or train into another folder]`,
    )
  })

  it('goes on with a clip whose process was killed', async () => {
    let kills = 0
    const forkWorker = watched(({ event }, kill) => {
      if (kills > 0 || event?.type !== 'checkpoint' || event.clip !== 2) return
      kills++
      kill()
    })
    const events = await collect('killed', { forkWorker })
    expect(of(events, 'clip-failed')).toMatchObject([
      { clip: 2, again: true, reason: expect.stringMatching('SIGKILL') },
    ])
    const second = of(events, 'clip-start').filter(({ clip }) => clip === 2)[1]
    expect(second?.resumedAt).toBeGreaterThan(0)
    expect(await filesOf(join(folder, 'killed'))).toEqual(expected)
  })

  it('leaves out a clip that always fails, by name, and finishes the others', async () => {
    const forkWorker = () =>
      fork(failingWorker, [builtWorker, '2'], {
        serialization: 'advanced',
        stdio: ['ignore', 2, 2, 'ipc'],
        execArgv: [],
      })
    const events = await collect('failing', { forkWorker })
    expect(of(events, 'clip-failed').map(({ clip, again }) => [clip, again])).toEqual([
      [2, true],
      [2, false],
    ])
    const reason = 'the worker process ended with 7'
    expect(of(events, 'done')[0]).toMatchObject({ clips: [0, 1], failed: [{ clip: 2, reason }] })
    // Another run mends it.
    await collect('failing', { resume: true })
    expect(await filesOf(join(folder, 'failing'))).toEqual(expected)
  })

  it('stops at an abort with checkpoints, and resumes to equal bytes', async () => {
    const interrupt = new AbortController()
    const events: TrainEvent[] = []
    for await (const event of await start('stopped', { signal: interrupt.signal })) {
      events.push(event)
      const running = new Set(of(events, 'step').map(({ clip }) => clip))
      if (running.has(1) && running.has(2)) interrupt.abort()
    }
    expect(events.some(({ type }) => type === 'done')).toBe(false)
    const stopped = of(events, 'aborted').map(({ clip }) => clip)
    expect(stopped.length).toBeGreaterThan(0)
    const left = Object.keys(await filesOf(join(folder, 'stopped'))).filter((path) => path.startsWith('checkpoints'))
    expect(left.sort()).toEqual(stopped.sort().map((clip) => `checkpoints/0000${clip}.safetensors`))
    await collect('stopped', { resume: true })
    expect(await filesOf(join(folder, 'stopped'))).toEqual(expected)
  })

  it('ends its processes with checkpoints when nobody listens any more', async () => {
    const ended: Promise<unknown>[] = []
    const forkWorker: ForkWorker = () => {
      const child = watched(() => {})()
      ended.push(new Promise((resolve) => child.once('exit', resolve)))
      return child
    }
    for await (const event of await start('left', { forkWorker })) if (event.type === 'step') break
    expect(await Promise.all(ended)).toEqual([0, 0])
    expect(Object.keys(await filesOf(join(folder, 'left'))).sort()).toEqual([
      'checkpoints/00000.safetensors',
      'clipstream.json',
    ])
  })
})

describe('what cannot be trained', () => {
  it('is refused before anything is trained', async () => {
    const config = tiny({ field: { warmStart: 'previous' } })
    await expect(collect('refused', { config })).rejects.toThrow(ConfigError)
    await expect(collect('refused', { config })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ConfigError: configuration: field.warmStart: 'previous' starts each clip from the one before, so clips cannot be trained side by side. Train on one device, or take 'reference' or 'none']`,
    )
    await expect(collect('refused', { clips: [1] })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ClipStreamError: clip stream: reference: has not been trained yet; train clip 0 first]`,
    )
    await expect(collect('refused', { devices: ['wasm', 'webgpu'] })).rejects.toThrow(/webgpu/)
    expect((await readManifest(await openRunFolder(join(folder, 'refused'))))?.clips).toEqual([])
  })

  it('names the reference clip when it fails, and trains nothing that needs it', async () => {
    const forkWorker = () =>
      fork(failingWorker, [builtWorker, '0'], {
        serialization: 'advanced',
        stdio: ['ignore', 2, 2, 'ipc'],
        execArgv: [],
      })
    const events = await collect('unreferenced', { forkWorker, clips: [0, 1] })
    expect(of(events, 'done')[0]?.failed).toEqual([
      { clip: 0, reason: 'the worker process ended with 7' },
      { clip: 1, reason: 'the reference clip, from which it starts, could not be trained' },
    ])
  })
})
