// Videos that are stored in one way and shown in another.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeVideo, probeVideo } from '@clipgstream/process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeVideo } from './videos.js'

const folder = mkdtempSync(join(tmpdir(), 'clipgstream-turn-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => join(folder, name)
const [width, height] = [64, 48]
/** Three values along each axis, far enough from borders of blocks: no two orientations look alike. */
const pixel = (x: number, y: number) => [x < 16 ? 220 : 30, y < 16 ? 220 : 30, 90] as const

/** The video with another matrix in the header of its track (ISO 14496-12, 8.3.2): a, b, c, d with 16 binary places. */
function withMatrix(name: string, [a, b, c, d]: readonly number[]): string {
  const bytes = readFileSync(at('plain.mp4'))
  const matrix = bytes.indexOf('tkhd') + 4 + 40
  expect(bytes.readInt32BE(matrix)).toBe(1 << 16)
  for (const [place, value = 0] of [
    [0, a],
    [1, b],
    [3, c],
    [4, d],
  ] as const)
    bytes.writeInt32BE(Math.round(value * 2 ** 16), matrix + 4 * place)
  writeFileSync(at(name), bytes)
  return at(name)
}

describe('the orientation of a video', () => {
  beforeAll(() => makeVideo(at('plain.mp4'), { width, height, frames: 2, pixel: (_, x, y) => pixel(x, y) }))

  it.each([
    [[1, 0, 0, 1], null],
    [[0, 1, -1, 0], 'a quarter clockwise'],
    [[-1, 0, 0, -1], 'upside down'],
    [[0, -1, 1, 0], 'a quarter anticlockwise'],
    [[-1, 0, 0, 1], 'mirrored left to right'],
    [[1, 0, 0, -1], 'mirrored top to bottom'],
    [[0, 1, 1, 0], 'mirrored, x and y exchanged'],
    [[0, -1, -1, 0], 'mirrored, x and y exchanged and both reversed'],
  ])('is applied: %j', async (matrix, turned) => {
    const [a, b, c, d] = matrix as [number, number, number, number]
    const path = withMatrix(`${matrix.join('_')}.mp4`, matrix)
    const shown = a === 0 ? { width: height, height: width } : { width, height }
    expect(await probeVideo(path)).toMatchObject({ ...shown, turned, frames: 2, damage: null })
    let images = 0
    for await (const { image } of decodeVideo(path, new Set([1]))) {
      if (!image) continue
      images++
      expect([image.width, image.height]).toEqual([shown.width, shown.height])
      // A pixel's centre goes to (a x + c y, b x + d y), moved by what brings all of them into the picture.
      for (let y = 4; y < height; y += 8) {
        for (let x = 4; x < width; x += 8) {
          const to = (p: number, q: number) => {
            const moved = p * (x + 0.5) + q * (y + 0.5)
            return Math.floor(moved + (p < 0 ? width : 0) + (q < 0 ? height : 0))
          }
          const start = 3 * (to(b, d) * image.width + to(a, c))
          for (const [channel, value] of pixel(x, y).entries())
            expect(Math.abs(image.data[start + channel]! - value)).toBeLessThanOrEqual(6)
        }
      }
    }
    expect(images).toBe(1)
  })

  it('is refused where it is no quarter turn', async () => {
    const path = withMatrix('skew.mp4', [0.5, 0.5, -0.5, 0.5])
    await expect(probeVideo(path)).rejects.toThrow(
      /skew\.mp4.* is to be shown through the matrix 0\.5, 0\.5, -0\.5, 0\.5, which is no quarter turn/,
    )
  })
})
