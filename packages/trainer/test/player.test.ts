import { quantize } from '@clipgstream/io'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import {
  type ClipPlayer,
  ClipStreamError,
  createMemoryRun,
  disposeGaussians,
  type EvaluationEvent,
  openClipStream,
  type PartialConfig,
  train,
} from '@clipgstream/trainer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tinyConfig, tinyData } from './tiny-data.js'

let device: WasmDevice
beforeEach(async () => {
  device = await createWasmDevice({ threads: 1, poison: true })
})
afterEach(() => device.dispose())

async function trained(over: PartialConfig = {}) {
  const files = new Map<string, Uint8Array>()
  const run = createMemoryRun(files)
  const data = tinyData()
  const config = tinyConfig({
    optimizer: { iterations: 6 },
    checkpointing: { every: null, logEvery: 6, evaluateAt: [6] },
    ...over,
  })
  const evaluations: EvaluationEvent[] = []
  for await (const event of train({ data, device, run, config }))
    if (event.type === 'evaluation') evaluations.push(event)
  return { files, run, data, evaluations }
}

const pixels = async (player: ClipPlayer, ...args: Parameters<ClipPlayer['render']>) => {
  using rendered = await player.render(...args)
  return rendered.image.read()
}

describe('a player', () => {
  it('shows every frame as training saw it, and frees everything', async () => {
    const { run, data, evaluations } = await trained()
    const before = device.bytesInUse
    {
      using player = await openClipStream(run, device)
      expect(player.frames).toEqual([0, 1, 2, 3, 4])
      const view = data.cameras[0]!.view
      for (const { sample } of evaluations)
        expect(quantize(await pixels(player, view, sample.frame))).toEqual(sample.rendered)
      const again = await pixels(player, view, 0)
      expect(again).toEqual(await pixels(player, view, 0))
      expect(again).not.toEqual(await pixels(player, view, 1))
    }
    expect(device.bytesInUse).toBe(before)
  })

  it('decodes frames into Gaussians, cached or not', async () => {
    const { run, data } = await trained()
    const before = device.bytesInUse
    const view = data.cameras[1]!.view
    {
      using player = await openClipStream(run, device)
      using cached = await openClipStream(run, device, { cachedFrames: 2 })
      const gaussians = await player.decode(4)
      expect(gaussians.opacities.shape).toEqual([66 * 2])
      expect(Array.from(await gaussians.count.read())).toEqual([132])
      disposeGaussians(gaussians)
      const cloud = await player.decodeToHost(1)
      expect(cloud.rotations).toHaveLength(60 * 2 * 4)
      expect(await cached.decodeToHost(1)).toEqual(cloud)
      for (const frame of [0, 1, 2, 0, 3]) {
        const [one, two] = [await pixels(player, view, frame), await pixels(cached, view, frame)]
        // A cached frame also has the Gaussians of anchors that the view's own filter leaves out.
        expect(Math.max(...one.map((value, i) => Math.abs(value - two[i]!)))).toBeLessThan(0.05)
      }
      const held = device.bytesInUse
      await cached.decode(3)
      expect(device.bytesInUse).toBe(held)
    }
    expect(device.bytesInUse).toBe(before)
  })

  it('draws views of a frame that stays decoded on a canvas', async () => {
    const { run, data } = await trained()
    const before = device.bytesInUse
    const views = data.cameras.slice(0, 3).map(({ view }) => view)
    {
      using player = await openClipStream(run, device)
      using cached = await openClipStream(run, device, { cachedFrames: 1 })
      using canvas = await player.createCanvas(1, { width: 32, height: 24 })
      expect(canvas).toMatchObject({ frame: 1, gaussians: 120 })
      // The clip may be replaced meanwhile.
      await pixels(player, views[0]!, 4)
      for (const view of views) {
        canvas.draw(view)
        expect(await canvas.image.read()).toEqual(await pixels(cached, view, 1))
      }
      expect(() => canvas.draw({ ...views[0]!, width: 31 })).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: canvas.draw: size of the view must be 32x24, as that of the canvas, got 31x24]`,
      )
      canvas[Symbol.dispose]()
      expect(() => canvas.draw(views[0]!)).toThrow('disposed')
      await expect(player.createCanvas(5, { width: 32, height: 24 })).rejects.toThrow('0 to 2, 3 to 4, got 5')
    }
    expect(device.bytesInUse).toBe(before)
  })

  it('answers requests that are made at once', async () => {
    const { run, data } = await trained()
    using player = await openClipStream(run, device)
    const view = data.cameras[2]!.view
    const alone = [await pixels(player, view, 4), await pixels(player, view, 0)]
    expect(await Promise.all([pixels(player, view, 4), pixels(player, view, 0)])).toEqual(alone)
  })

  it('applies the colours of a training camera', async () => {
    const { run, data, evaluations } = await trained({ colorCompensation: { enabled: true, rate: 0.05 } })
    expect(evaluations[0]!.psnrCompensated).toBeGreaterThan(evaluations[0]!.psnr)
    using player = await openClipStream(run, device)
    const view = data.cameras[2]!.view
    const plain = await pixels(player, view, 0)
    expect(await pixels(player, view, 0, { colorsOf: 'cam2' })).not.toEqual(plain)
    // Cameras differ from their mean, which is what the scene is stored in.
    expect(await pixels(player, view, 0, { colorsOf: 'cam1' })).not.toEqual(plain)
    await expect(player.render(view, 0, { colorsOf: 'cam0' })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipPlayer: colorsOf must be one of cam1, cam2, cam3, got cam0]`,
    )
  })

  it('refuses what it cannot play', async () => {
    const { files, run, data } = await trained()
    const view = data.cameras[0]!.view
    {
      using player = await openClipStream(run, device)
      await expect(player.render(view, 5)).rejects.toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: ClipPlayer: frame must be one of the stream's frames: 0 to 2, 3 to 4, got 5]`,
      )
      await expect(player.render(view, 0.5)).rejects.toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: ClipPlayer: frame must be one of the stream's frames: 0 to 2, 3 to 4, got 0.5]`,
      )
      await expect(player.render(view, 0, { colorsOf: 'cam1' })).rejects.toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: ClipPlayer: colorsOf must be left out, since the clip has no colour maps, got cam1]`,
      )
    }
    await expect(openClipStream(createMemoryRun(), device)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ClipStreamError: clip stream: clipstream.json: is not in memory; train or import a stream first]`,
    )
    const broken = (path: string, change: (bytes: Uint8Array) => Uint8Array) => {
      const copy = new Map(files)
      copy.set(path, change(files.get(path)!.slice()))
      return createMemoryRun(copy)
    }
    const text = (replace: (old: string) => string) => (bytes: Uint8Array) =>
      new TextEncoder().encode(replace(new TextDecoder().decode(bytes)))
    const flip = (bytes: Uint8Array) => bytes.fill(7, bytes.length - 9, bytes.length - 8)
    const messages: string[] = []
    for (const stream of [
      broken('clipstream.json', (bytes) => bytes.subarray(0, 100)),
      broken(
        'clipstream.json',
        text((old) => old.replace('"version": 1', '"version": 2')),
      ),
      broken(
        'clipstream.json',
        text((old) => old.replace('reference/anchors.ply', '../../anchors.ply')),
      ),
      broken(
        'clipstream.json',
        text((old) => old.replace('"own": 60', '"own": 61')),
      ),
      broken('reference/decoders.safetensors', (bytes) => bytes.subarray(0, bytes.length - 4)),
      broken('reference/anchors.safetensors', flip),
    ]) {
      const error = await openClipStream(stream, device).catch((error) => error)
      expect(error).toBeInstanceOf(ClipStreamError)
      messages.push(error.message)
    }
    expect(messages).toMatchInlineSnapshot(`
      [
        "clip stream: clipstream.json: is not JSON; the file is damaged",
        "clip stream: clipstream.json: has format version 2; this program reads 1",
        "clip stream: clipstream.json: clips.0.files.0.path: Invalid string: must match pattern /^(reference|clips\\/\\d{5})\\/[a-z]+\\.(ply|safetensors)$/",
        "clip stream: reference/anchors.ply: has 60 points, not 61",
        "clip stream: reference/decoders.safetensors: has 3228 bytes, not 3232; copy the stream again or train the clip anew",
        "clip stream: reference/anchors.safetensors: does not have the checksum of the clip table; copy the stream again or train the clip anew",
      ]
    `)
    using player = await openClipStream(broken('clips/00001/field.safetensors', flip), device)
    await player.render(view, 0)
    await expect(player.render(view, 4)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ClipStreamError: clip stream: clips/00001/field.safetensors: does not have the checksum of the clip table; copy the stream again or train the clip anew]`,
    )
    await player.render(view, 1)
  })
})
