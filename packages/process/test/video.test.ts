import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeVideo, offsetsOf, probeVideo, VideoError } from '@clipgstream/process'
import { afterAll, describe, expect, it } from 'vitest'
import { envelopeRate, soundOnsets } from '../src/video/audio.js'
import { makeVideo } from './videos.js'

const folder = mkdtempSync(join(tmpdir(), 'clipgstream-video-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => join(folder, name)
const small = { width: 64, height: 48 }
/** Grey that tells the frame. */
const counted = { ...small, pixel: (frame: number) => [frame * 7, frame * 7, frame * 7] as const }
/** Hard to compress, so that a file that is cut loses frames. */
const noisy = {
  ...small,
  pixel: (f: number, x: number, y: number) =>
    [(x * y * 31 + f) & 255, (x * x * y * f) & 255, (y * y * x) & 255] as const,
}

async function collect(path: string, wanted: number[]): Promise<Map<number, number>> {
  const found = new Map<number, number>()
  for await (const { index, image } of decodeVideo(path, new Set(wanted)))
    if (image) found.set(index, image.data[0] ?? -1)
  return found
}

describe('videos', () => {
  it('counts frames and gives those that were asked for, in the order in which they are shown', async () => {
    await makeVideo(at('a.mp4'), { ...counted, frames: 23, rate: 25 })
    const { frames, declared, fps, variable, damage, audio, width, height } = await probeVideo(at('a.mp4'))
    expect({ frames, declared, fps, variable, damage, audio, width, height }).toEqual({
      ...{ frames: 23, declared: 23, fps: 25, variable: false, damage: null, audio: false },
      ...small,
    })
    const found = await collect(at('a.mp4'), [22, 3, 4])
    expect([...found.keys()]).toEqual([3, 4, 22])
    for (const [index, grey] of found) expect(Math.abs(grey - index * 7)).toBeLessThanOrEqual(2)
    await expect(collect(at('a.mp4'), [23])).rejects.toThrow(/ends after 23 frames; frame 23 was asked for/)
  })

  it('has the rate of its frames, also where some were lost', async () => {
    const times = Array.from({ length: 40 }, (_, i) => (i < 12 ? i : i + 2))
    await makeVideo(at('lost.mp4'), { ...counted, frames: 40, rate: 25, times })
    expect(await probeVideo(at('lost.mp4'))).toMatchObject({ frames: 40, missing: 2, gapAfter: 11, variable: true })
    expect((await probeVideo(at('lost.mp4'))).fps).toBeCloseTo(25, 6)
  })

  it.each(['bt709', 'bt601', undefined] as const)('keeps colours of a video with matrix %s', async (matrix) => {
    const path = at(`${matrix}.mp4`)
    await makeVideo(path, { ...small, frames: 2, pixel: () => [200, 30, 60], ...(matrix && { matrix }) })
    for await (const { image } of decodeVideo(path, new Set([1]))) {
      if (!image) continue
      expect(image.data).toHaveLength(64 * 48 * 3)
      for (const [c, value] of [200, 30, 60].entries())
        expect(Math.abs((image.data[c] ?? 0) - value)).toBeLessThanOrEqual(3)
    }
  })

  it('names the frame at which a video was cut off, and decodes what is before', async () => {
    await makeVideo(at('b.mp4'), { ...noisy, frames: 30 })
    const bytes = readFileSync(at('b.mp4'))
    writeFileSync(at('cut.mp4'), bytes.subarray(0, Math.floor(bytes.length * 0.6)))
    const info = await probeVideo(at('cut.mp4'))
    expect(info.declared).toBe(30)
    expect(info.frames).toBeGreaterThan(5)
    expect(info.frames).toBeLessThan(20)
    expect(info.damage).toBe(
      `is cut off or damaged after frame ${info.frames - 1}: ${info.frames} of 30 frames can be used`,
    )
    // What is kept is what the whole video shows.
    const last = info.frames - 1
    expect(await collect(at('cut.mp4'), [last])).toEqual(await collect(at('b.mp4'), [last]))
    await expect(collect(at('cut.mp4'), [29])).rejects.toThrow(VideoError)
  })

  it('says what became of files that are no videos', async () => {
    await makeVideo(at('c.mp4'), { ...noisy, frames: 5, indexAtEnd: true })
    const bytes = readFileSync(at('c.mp4'))
    writeFileSync(at('lost.mp4'), bytes.subarray(0, Math.floor(bytes.length / 2)))
    await expect(probeVideo(at('lost.mp4'))).rejects.toThrow(/its index is lost with its end/)
    writeFileSync(at('empty.mp4'), '')
    await expect(probeVideo(at('empty.mp4'))).rejects.toThrow(/is empty/)
    writeFileSync(at('text.mp4'), 'no video')
    await expect(probeVideo(at('text.mp4'))).rejects.toThrow(/cannot be opened as a video/)
  })

  it('finds offsets by sound', async () => {
    const bangs = [0.31, 0.72, 1.55, 2.01, 2.93]
    const sound = (late: number) =>
      Float32Array.from({ length: 8000 * 4 }, (_, i) => {
        const t = i / 8000 + late
        const since = Math.min(...bangs.map((bang) => (t >= bang ? t - bang : 9)))
        return Math.sin(i * 1.7 + late) * (0.01 + Math.exp(-since * 30))
      })
    await makeVideo(at('s0.mp4'), { ...counted, frames: 40, sound: sound(0) })
    // Began 0.3 s later: its frame 0 is frame 3 of the first.
    await makeVideo(at('s1.mp4'), { ...counted, frames: 40, sound: sound(0.3) })
    const signals = new Map<string, Float32Array>()
    for (const name of ['s0', 's1']) signals.set(name, await soundOnsets(at(`${name}.mp4`)))
    expect(offsetsOf(signals, envelopeRate, 10).offsets).toEqual({ s0: 0, s1: -3 })
    await expect(soundOnsets(at('a.mp4'))).rejects.toThrow(/has no sound; give the offset/)
  })
})
