import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { withDatabase } from '../src/colmap/database.js'
import { joinMoments } from '../src/colmap/moments.js'

// colmap-database.py says what is in it.
const database = fileURLToPath(new URL('colmap-database.db', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'clipgstream-moments-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("COLMAP's database", () => {
  it('is read: names, pixels, pairs; over inner and overflow pages', async () => {
    await withDatabase(database, async ({ images, keypoints, verified }) => {
      expect([...images]).toEqual(
        [
          'cam2/0.png',
          'cam0/0.png',
          'cam1/1.png',
          'cam3/0.png',
          'cam0/1.png',
          'cam2/1.png',
          'cam1/0.png',
          'cam3/1.png',
        ].map((name, i) => [i + 1, name]),
      )
      for (const id of images.keys()) {
        const xy = await keypoints(id)
        expect(xy).toHaveLength(80)
        for (let k = 0; k < 40; k++) expect([xy[2 * k], xy[2 * k + 1]]).toEqual([10 * id + k, k + 0.5])
      }
      expect(await keypoints(99)).toHaveLength(0)
      const sizes = verified.map(
        ({ images: [a, b], matches }) => `${images.get(a)} ${images.get(b)} ${matches.length / 2}`,
      )
      // Two more pairs have no matches.
      expect(sizes.sort()).toEqual([
        'cam0/0.png cam0/1.png 2',
        'cam0/0.png cam1/0.png 20',
        'cam1/1.png cam0/1.png 15',
        'cam1/1.png cam2/1.png 15',
        'cam2/0.png cam1/0.png 20',
        'cam2/0.png cam3/0.png 20',
        'cam2/1.png cam3/1.png 15',
      ])
    })
  })

  it('is refused when it is something else, cut off, or still in use', async () => {
    const at = (name: string) => join(folder, name)
    writeFileSync(at('text.db'), 'not a database at all')
    const nothing = async () => {}
    await expect(withDatabase(at('text.db'), nothing)).rejects.toThrow(/text\.db.*SQLite format 3/)
    cpSync(database, at('cut.db'))
    truncateSync(at('cut.db'), 4096)
    await expect(withDatabase(at('cut.db'), nothing)).rejects.toThrow(
      /cut\.db: page \d+: expected 512 bytes, got 0 bytes/,
    )
    cpSync(database, at('open.db'))
    writeFileSync(at('open.db-wal'), 'more')
    await expect(withDatabase(at('open.db'), nothing)).rejects.toThrow(/a database that COLMAP has closed/)
  })
})

describe('moments of cameras that stand still', () => {
  it('become one image a camera, with the matches of all', async () => {
    const images = new Map(['cam0', 'cam1', 'cam2', 'cam3'].map((name) => [name, [`${name}/0.png`, `${name}/1.png`]]))
    await joinMoments(database, images, folder)
    const read = (name: string) => readFileSync(join(folder, name), 'utf8')
    expect(read('images.txt')).toBe('cam0/0.png\ncam1/0.png\ncam2/0.png\ncam3/0.png\n')
    const blocks = read('matches.txt').trim().split('\n\n')
    // The order of names in a pair is one for all moments; a camera is not matched with itself.
    expect(blocks.map((block) => block.split('\n')[0]).sort()).toEqual([
      'cam0/0.png cam1/0.png',
      'cam1/0.png cam2/0.png',
      'cam2/0.png cam3/0.png',
    ])
    const ids = new Map(
      ['cam2/0', 'cam0/0', 'cam1/1', 'cam3/0', 'cam0/1', 'cam2/1', 'cam1/0', 'cam3/1'].map((name, i) => [name, i + 1]),
    )
    const features = new Map(
      [...images.keys()].map((camera) => {
        const [head, ...lines] = read(`features/${camera}/0.png.txt`).trim().split('\n')
        expect(head).toBe(`${lines.length} 128`)
        for (const line of lines) expect(line.split(' ')).toHaveLength(4 + 128)
        return [`${camera}/0.png`, lines.map((line) => line.split(' ').slice(0, 2).map(Number))]
      }),
    )
    // Features 0 to 19 and 0 to 14, as the first of a pair; 1 to 20 and 1 to 15 as the second.
    expect([...features.values()].map((points) => points.length)).toEqual([35, 37, 37, 35])
    for (const block of blocks) {
      const [names = '', ...lines] = block.split('\n')
      const [a = '', b = ''] = names.split(' ')
      expect(lines).toHaveLength(35)
      const seen = lines.map((line) => {
        const [i = -1, j = -1] = line.split(' ').map(Number)
        return [features.get(a)?.[i], features.get(b)?.[j]].map((xy) => xy?.join(' '))
      })
      const expected = [0, 1].flatMap((moment) =>
        Array.from({ length: 20 - 5 * moment }, (_, k) =>
          [a, b].map((name, second) => {
            const id = ids.get(`${name.slice(0, 4)}/${moment}`) ?? 0
            return `${10 * id + k + second} ${k + second + 0.5}`
          }),
        ),
      )
      expect(seen.map((pair) => pair.join(', ')).sort()).toEqual(expected.map((pair) => pair.join(', ')).sort())
    }
  })
})
