// Lists of splats per tile, nearest first: a counting sort by tile of splats that are already in depth order.
//
// `countPairs`: chunk = block of splats; how many the block has in each tile. `scanTiles`: one chunk; where each tile's
// list begins and where each block writes in it. `listPairs`: chunk = block of splats; writes (splat, pair number)
// entries. Blocks depend on the number of splats alone, so threads do not matter.
import { at } from '../../tensor/kernels/simd'
import { tileColumns, tileRows } from './extent'
import { PAIR, record } from './layout'

/** cursors // [blocks, tiles] */
export function countPairs(
  chunk: i32, scratch: usize, records: usize, cursors: usize, n: i32, block: i32, width: i32, height: i32,
  tilesX: i32, tiles: i32,
): void {
  const counts = at(cursors, chunk * tiles)
  memory.fill(counts, 0, tiles << 2)
  const end = min(n, (chunk + 1) * block)
  for (let i = chunk * block; i < end; i++) {
    const splat = record(records, i)
    const rows = tileRows(splat, height)
    for (let row = (rows & 0xffff) as i32; row < ((rows >> 16) as i32); row++) {
      const columns = tileColumns(splat, row, width)
      for (let column = (columns & 0xffff) as i32; column < ((columns >> 16) as i32); column++) {
        const count = at(counts, row * tilesX + column)
        store<u32>(count, load<u32>(count) + 1)
      }
    }
  }
}

/** tileStarts // [tiles + 1] */
export function scanTiles(chunk: i32, scratch: usize, cursors: usize, tileStarts: usize, tiles: i32, blocks: i32): void {
  let sum: u32 = 0
  for (let tile = 0; tile < tiles; tile++) {
    store<u32>(at(tileStarts, tile), sum)
    for (let block = 0; block < blocks; block++) {
      const entry = at(cursors, block * tiles + tile)
      const count = load<u32>(entry)
      store<u32>(entry, sum)
      sum += count
    }
  }
  store<u32>(at(tileStarts, tiles), sum)
}

/** entries // [pairs, 2] */
export function listPairs(
  chunk: i32, scratch: usize, records: usize, cursors: usize, entries: usize, n: i32, block: i32, width: i32,
  height: i32, tilesX: i32, tiles: i32,
): void {
  const places = at(cursors, chunk * tiles)
  const end = min(n, (chunk + 1) * block)
  for (let i = chunk * block; i < end; i++) {
    const splat = record(records, i)
    let pair = load<u32>(splat, PAIR)
    const rows = tileRows(splat, height)
    for (let row = (rows & 0xffff) as i32; row < ((rows >> 16) as i32); row++) {
      const columns = tileColumns(splat, row, width)
      for (let column = (columns & 0xffff) as i32; column < ((columns >> 16) as i32); column++) {
        const cursor = at(places, row * tilesX + column)
        const place = load<u32>(cursor)
        store<u32>(cursor, place + 1)
        store<u64>(entries + ((place as usize) << 3), (i as u64) | ((pair as u64) << 32))
        pair++
      }
    }
  }
}
