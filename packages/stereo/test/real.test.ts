// Pictures of real and of rendered scenes, with clouds made by other programs.
import { sceneExtent } from '@clipgstream/camera'
import { loadImage, openDataset, readPointCloud } from '@clipgstream/io'
import { createNodeDecoder, nodeFolder } from '@clipgstream/io/node'
import { type CloudOptions, estimateCloud } from '@clipgstream/stereo'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { describe, expect, it } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'

async function compare(path: string, options: CloudOptions) {
  const folder = nodeFolder(path)
  const dataset = await openDataset(folder)
  const decoder = createNodeDecoder()
  const captures = await Promise.all(
    dataset.trainCameras.map(async (camera) => ({
      view: dataset.cameras[camera]!.view,
      image: await loadImage(dataset, decoder, { camera, frame: 0 }),
    })),
  )
  const given = readPointCloud(await folder.read(dataset.clips[0]?.cloud ?? '')).positions
  using device = await createWasmDevice({ threads: 2 })
  const { positions, count } = await estimateCloud(device, captures, options)
  expect(device.bytesInUse).toBe(0)
  const radius = sceneExtent(captures.map(({ view }) => view)).radius
  const shares = (from: Float32Array, to: Float32Array, limit: number) => nearShare(from, to, limit * radius)
  return {
    count,
    error: shares(positions, given, 0.01),
    errorWide: shares(positions, given, 0.03),
    coverage: shares(given, positions, 0.02),
  }
}

/** The share of about 2000 of the points that have one of the others within `limit`. */
function nearShare(points: Float32Array, others: Float32Array, limit: number): number {
  const cells = new Map<string, number[]>()
  const cellOf = (x: number, y: number, z: number) => `${x} ${y} ${z}`
  const at = (value: number) => Math.floor(value / limit)
  for (let i = 0; i < others.length; i += 3) {
    const key = cellOf(at(others[i]!), at(others[i + 1]!), at(others[i + 2]!))
    const known = cells.get(key)
    if (known) known.push(i)
    else cells.set(key, [i])
  }
  const step = 3 * Math.max(1, Math.floor(points.length / 6000))
  let near = 0
  let all = 0
  for (let i = 0; i < points.length; i += step) {
    const [x, y, z] = [points[i]!, points[i + 1]!, points[i + 2]!]
    let found = false
    for (let corner = 0; corner < 27 && !found; corner++) {
      const key = cellOf(
        at(x) + (corner % 3) - 1,
        at(y) + (Math.floor(corner / 3) % 3) - 1,
        at(z) + Math.floor(corner / 9) - 1,
      )
      found = (cells.get(key) ?? []).some(
        (j) => Math.hypot(others[j]! - x, others[j + 1]! - y, others[j + 2]! - z) < limit,
      )
    }
    all++
    if (found) near++
  }
  return near / all
}

const small = fixture('datasets/court-mini')
describe.skipIf(!small)('a rendered court, ten cameras 36 degrees apart, 160x90', () => {
  it('gives points on its surfaces', async () => {
    const { count, errorWide, coverage } = await compare(small ?? '', {})
    expect(count).toBeGreaterThan(10_000)
    // The given cloud is sparse: its points are 1 % to 4 % of the radius apart.
    expect(errorWide).toBeGreaterThan(0.6)
    expect(coverage).toBeGreaterThan(0.5)
  })
})

const real = fixture('datasets/panoptic-basketball')
describe.skipIf(!real)('a real dome with two people, 27 cameras, at a quarter of the size', () => {
  it('gives points within 1 % of the radius of those of another program', async () => {
    const { count, error, errorWide, coverage } = await compare(real ?? '', { skipLevels: 2, coarsest: 64 })
    expect(count).toBeGreaterThan(20_000)
    expect(error).toBeGreaterThan(0.5)
    expect(errorWide).toBeGreaterThan(0.95)
    // A sixth of the given cloud covers walls without texture, and half is what moves in nine other frames.
    expect(coverage).toBeGreaterThan(0.6)
  })
})
