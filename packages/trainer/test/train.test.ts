import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import {
  createMemoryRun,
  type PartialConfig,
  readManifest,
  type TrainEvent,
  type TrainOptions,
  train,
} from '@clipgstream/trainer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tinyConfig, tinyData } from './tiny-data.js'

let device: WasmDevice
beforeEach(async () => {
  device = await createWasmDevice({ threads: 1, poison: true })
})
afterEach(() => device.dispose())

async function collect(options: Omit<TrainOptions, 'device'>): Promise<TrainEvent[]> {
  const events: TrainEvent[] = []
  for await (const event of train({ device, ...options })) events.push(event)
  return events
}

const of = <T extends TrainEvent['type']>(events: TrainEvent[], type: T) =>
  events.filter((event): event is Extract<TrainEvent, { type: T }> => event.type === type)

async function trainTiny(over: PartialConfig = {}, sizes: Parameters<typeof tinyData>[0] = {}) {
  const run = createMemoryRun()
  const config = tinyConfig(over, sizes?.clipSize)
  const events = await collect({ data: tinyData(sizes), run, config })
  const manifest = await readManifest(run)
  if (!manifest) throw new Error('no manifest')
  return { run, config, events, manifest }
}

describe('train', () => {
  it('trains a reference clip and a partial source clip and says so', async () => {
    const before = device.bytesInUse
    const { events, manifest, config } = await trainTiny()
    expect(device.bytesInUse).toBe(before)
    expect(events.map(({ type }) => type).join(' ')).toBe(
      'start ' +
        'clip-start step step checkpoint step step evaluation clip-end ' +
        'clip-start step step checkpoint step step evaluation clip-end done',
    )
    const starts = of(events, 'clip-start')
    expect(starts.map(({ kind, anchors }) => ({ kind, ...anchors }))).toEqual([
      { kind: 'reference', inherited: 0, own: 60 },
      { kind: 'source', inherited: 60, own: 6 },
    ])
    expect(starts[1]!.parameters).toBeLessThan(starts[0]!.parameters)
    const losses = of(events, 'step').map(({ loss }) => loss)
    expect(losses[3]).toBeLessThan(losses[0]!)
    expect(of(events, 'evaluation')[0]).toMatchObject({ iteration: 20, cameras: [{ camera: 'cam0' }] })
    expect(manifest.config).toEqual(config)
    expect(manifest.clips.map(({ index, start, end, kind }) => ({ index, start, end, kind }))).toEqual([
      { index: 0, start: 0, end: 3, kind: 'reference' },
      { index: 1, start: 3, end: 5, kind: 'source' },
    ])
    expect(manifest.clips[1]!.files.map(({ path }) => path)).toEqual([
      'clips/00001/anchors.ply',
      'clips/00001/anchors.safetensors',
      'clips/00001/field.safetensors',
    ])
  })

  it('gives equal bytes clip by clip, in any order, and for any number of threads', async () => {
    const sizes = { frames: 9 }
    const { run: whole, config } = await trainTiny({}, sizes)
    using two = await createWasmDevice({ threads: 2, poison: true })
    const run = createMemoryRun()
    for (const clip of [0, 2, 1]) {
      for await (const _ of train({ device: two, data: tinyData(sizes), run, config, clips: [clip] }));
    }
    const manifest = await readManifest(run)
    expect(manifest).toEqual(await readManifest(whole))
    expect(manifest?.clips.map(({ index }) => index)).toEqual([0, 1, 2])
  })

  it.each([
    ['no residual cloud', {}, { residual: 0 }],
    ['one clip only', {}, { frames: 3 }],
    ['less than one clip', {}, { frames: 2 }],
    ['clip size 1', { optimizer: { iterations: 5 } }, { frames: 3, clipSize: 1 }],
    [
      'the parity preset switches',
      {
        optimizer: { extraStep: true, lazyTable: false, sourceScale: 'one' },
        clips: { time: 'quantized', residualScale: 'reference' },
      },
      {},
    ],
    ['dense moments and colour maps', { colorCompensation: { enabled: true } }, {}],
  ] as [string, PartialConfig, Parameters<typeof tinyData>[0]][])('works with %s', async (_, over, sizes) => {
    const { events, manifest } = await trainTiny(over, sizes)
    expect(of(events, 'done')).toHaveLength(1)
    const losses = of(events, 'step').map(({ loss }) => loss)
    expect(losses.every(Number.isFinite)).toBe(true)
    expect(manifest.clips).toHaveLength(of(events, 'clip-end').length)
  })

  it('learns as much from a table in f16, of which the f32 is written', async () => {
    const plain = await trainTiny()
    const half = await trainTiny({ execution: { table: 'f16' } })
    const [expected, actual] = [plain, half].map(({ events }) => of(events, 'evaluation').map(({ psnr }) => psnr))
    expect(expected).toHaveLength(2)
    for (const [i, psnr] of actual!.entries()) expect(Math.abs(psnr - expected![i]!)).toBeLessThan(0.1)
    expect(half.manifest.clips).not.toEqual(plain.manifest.clips)
    const sizes = ({ clips }: typeof half.manifest) => clips.map(({ files }) => files.map(({ bytes }) => bytes))
    expect(sizes(half.manifest)).toEqual(sizes(plain.manifest))
  })

  it('draws several cameras of a frame in a step', async () => {
    const { events, run } = await trainTiny({ sampling: { viewsPerStep: 2 } })
    const losses = of(events, 'step').map(({ loss }) => loss)
    expect(losses[3]).toBeLessThan(losses[0]!)
    const again = await trainTiny({ sampling: { viewsPerStep: 2 } })
    expect(await readManifest(again.run)).toEqual(await readManifest(run))
    // More than there are cameras are all of them.
    const all = await trainTiny({ sampling: { viewsPerStep: 9 } })
    expect(of(all.events, 'done')).toHaveLength(1)
  })

  it('learns from the images that there are where cameras have some only, and measures those', async () => {
    const has = (camera: number, frame: number) => (camera + frame) % 2 === 0
    const data = { ...tinyData(), has }
    const run = createMemoryRun()
    const config = tinyConfig()
    const events = await collect({ data, run, config, clips: [0] })
    expect(new Set(data.reads)).toEqual(new Set(['0:0', '0:2', '1:1', '2:0', '2:2', '3:1']))
    const losses = of(events, 'step').map(({ loss }) => loss)
    expect(losses[3]).toBeLessThan(losses[0]!)
    expect(of(events, 'evaluation')[0]).toMatchObject({ cameras: [{ camera: 'cam0' }] })
    const framesOf = async () => (await readManifest(run))?.data.cameras.map(({ frames }) => frames)
    expect(await framesOf()).toEqual([
      [0, 2, 4],
      [1, 3],
      [0, 2, 4],
      [1, 3],
    ])
    // A run that is given more of the sequence later knows these frames, too.
    const longer = { ...data, frames: 7, clips: [...data.clips.slice(0, 1), { index: 1, start: 3, end: 6 }] }
    await collect({ data: longer, run, config, clips: [1], resume: true })
    expect(await framesOf()).toEqual([
      [0, 2, 4],
      [1, 3, 5],
      [0, 2, 4],
      [1, 3, 5],
    ])
    const onlyTest = { ...data, has: (camera: number) => camera === 0 }
    await expect(
      collect({ data: onlyTest, run: createMemoryRun(), config }),
    ).rejects.toThrowErrorMatchingInlineSnapshot(
      `[TrainingDataError: clip 0, frames 0 to 2, has no image of a training camera. Add images, or choose longer clips or other test cameras]`,
    )
    expect(device.bytesInUse).toBe(0)
  })

  it('keeps photographs on the device as far as they are given room, which changes nothing', async () => {
    const clips = (manifest: Awaited<ReturnType<typeof readManifest>>) => manifest?.clips
    const readsOf = async (imageBytes: number | null) => {
      const data = tinyData()
      const run = createMemoryRun()
      const before = device.bytesInUse
      const config = tinyConfig({ execution: { imageBytes }, optimizer: { iterations: 18 } })
      const events = await collect({ data, run, config })
      expect(device.bytesInUse).toBe(before)
      expect(of(events, 'clip-end')).toHaveLength(2)
      return {
        reads: data.reads.filter((read) => !read.startsWith('0:')).length,
        clips: clips(await readManifest(run)),
      }
    }
    const fetched = await readsOf(null)
    const kept = await readsOf(1 << 20)
    const some = await readsOf(3 * 32 * 24 * 3)
    // Three training cameras, three frames and two: 18 steps see each photograph twice or three times.
    expect([fetched.reads, kept.reads]).toEqual([36, 15])
    expect(some.reads).toBeGreaterThan(15)
    expect(some.reads).toBeLessThan(36)
    expect(kept.clips).toEqual(fetched.clips)
    expect(some.clips).toEqual(fetched.clips)
  })

  it('leaves parts out for comparison', async () => {
    const without = await trainTiny({ ablation: { residualAnchors: false } })
    expect(without.manifest.clips[1]).toMatchObject({ anchors: { inherited: 60, own: 0 }, inheritsDecoders: true })
    const fresh = await trainTiny({ ablation: { inheritDecoders: false } })
    expect(fresh.manifest.clips[1]).toMatchObject({ anchors: { inherited: 60, own: 6 }, inheritsDecoders: false })
    expect(fresh.manifest.clips[1]!.files.map(({ path }) => path)).toContain('clips/00001/decoders.safetensors')
    const apart = await trainTiny({ ablation: { independentClips: true } })
    expect(apart.manifest.clips[1]).toMatchObject({ kind: 'independent', anchors: { inherited: 0, own: 66 } })
  })

  it('starts fields warm when told to', async () => {
    const cold = await trainTiny({}, { frames: 9 })
    const warm = await trainTiny({ field: { warmStart: 'previous' } }, { frames: 9 })
    const first = (events: TrainEvent[]) => of(events, 'step').find(({ clip }) => clip === 2)!.loss
    expect(first(warm.events)).toBeLessThan(first(cold.events))
  })

  it('changes nothing that is inherited', async () => {
    const { run } = await trainTiny({ optimizer: { iterations: 5 } })
    const { run: longer } = await trainTiny({ optimizer: { iterations: 5 } })
    const reference = 'reference/decoders.safetensors'
    expect(await longer.read(reference)).toEqual(await run.read(reference))
  })

  it('refuses to train over what is there', async () => {
    const { run, config } = await trainTiny({ optimizer: { iterations: 2 } })
    const data = tinyData()
    await expect(collect({ data, run, config })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[RunExistsError: clip 0 has been trained in this run; resume the run, choose other clips, or train into another folder]`,
    )
    const events = await collect({ data, run, config, resume: true })
    expect(events.map(({ type }) => type)).toEqual(['start', 'clip-skip', 'clip-skip', 'done'])
    const other = tinyConfig({ optimizer: { iterations: 2 }, decoders: { gaussiansPerAnchor: 3 } })
    await expect(collect({ data, run, config: other, resume: true })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[RunMismatchError: this run was made with decoders.gaussiansPerAnchor 2, not 3. Use the settings of the run (they are in its clipstream.json) or train into another folder]`,
    )
    await expect(
      collect({ data: { ...data, fingerprint: 'other' }, run, config, resume: true }),
    ).rejects.toThrowErrorMatchingInlineSnapshot(
      `[RunMismatchError: this run was made with data tiny 5 3 60 6 4, not other. Cameras or images have changed; restore them or train into another folder]`,
    )
    await expect(collect({ data, run, config, clips: [7] })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[TrainingDataError: there is no clip 7. The data have clips 0, 1]`,
    )
    const empty = createMemoryRun()
    await expect(collect({ data, run: empty, config, clips: [1] })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ClipStreamError: clip stream: reference: has not been trained yet; train clip 0 first]`,
    )
    await expect(collect({ data, run: empty, config: tinyConfig({}, 2) })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[TrainingDataError: the data are cut into clips of 3 frames, the configuration says 2. Set clips.size to the size that the clouds were made for]`,
    )
    const none = { ...data, cloud: async () => null }
    await expect(collect({ data: none, run: empty, config })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[TrainingDataError: the dataset has no cloud for the reference clip. Put a cloud with points into plys/0.ply]`,
    )
  })

  it('grows anchors when told to', async () => {
    const growth = {
      enabled: true,
      statisticsFrom: 0,
      growFrom: 4,
      until: 40,
      interval: 5,
      gradientThreshold: 1e-7,
      successThreshold: 0.1,
      voxelSize: 0.002,
    }
    const { events, manifest } = await trainTiny({ growth, optimizer: { iterations: 30 } })
    const rounds = of(events, 'growth')
    expect(rounds.length).toBeGreaterThan(0)
    expect(Math.max(...rounds.map(({ added }) => added))).toBeGreaterThan(0)
    expect(manifest.clips[0]!.anchors.own).toBeGreaterThan(60)
    expect(of(events, 'step').every(({ loss }) => Number.isFinite(loss))).toBe(true)
  })
})
