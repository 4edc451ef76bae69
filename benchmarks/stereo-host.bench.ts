import { coverHoles, matchLight, motionMask, type RgbPicture, stillPicture } from '@clipgstream/stereo'
import { createRandom } from '@clipgstream/tensor'
import { addSurface, cloudOf } from '../packages/stereo/src/fuse.js'
import { VoxelGrid } from '../packages/stereo/src/grid.js'
import { planesNear } from '../packages/stereo/test/inputs.js'
import { ring, shoot } from '../packages/stereo/test/scene.js'
import { type Benchmark, compareTimes } from './bench.js'

const [width, height] = [480, 270]
const frameCount = 10
const cameras = 6
/** World units: about two pixels. */
const voxel = 0.012

/** A picture with noise, in a light of its own, and a bar on its way over it. */
function frameOf({ data }: RgbPicture, frame: number): RgbPicture {
  const random = createRandom(frame)
  const first = 40 * frame
  const lit = (value: number) => (0.9 + 0.02 * frame) * value + 2 * random.normal()
  return {
    ...{ width, height },
    data: data.map((value, i) => {
      const x = Math.floor(i / 3) % width
      return Math.max(0, Math.min(255, lit(x >= first && x < first + 40 ? 255 - value : value)))
    }),
  }
}

export const benchmark: Benchmark = {
  name: 'stereo-host',
  description:
    `What stereo does on the host, one thread, pictures of ${width}x${height}: what stands still of ${frameCount} frames, the ` +
    `light and the mask of each, fusion of the true surfaces of ${cameras} views into voxels and a cloud, and the cover of ` +
    'holes of that cloud, of which a tenth is missing. In megapixels a second of all pictures that come in.',
  async run(effort) {
    const shots = ring(cameras, width, height).map((view) => shoot(view))
    const frames = Array.from({ length: frameCount }, (_, i) => frameOf(shots[0]!.image, i))
    const still = stillPicture(frames).image
    const matched = frames.map((frame) => matchLight(frame, still))
    const surfaces = shots.map((shot) => planesNear(shot, 1, 0).map((value, i) => (i % 4 === 3 ? 3 : value)))
    const fuse = () => {
      const grid = new VoxelGrid(voxel)
      for (const [i, { view, image }] of shots.entries()) addSurface(grid, view, image, surfaces[i]!)
      return cloudOf(grid, 2)
    }
    const whole = fuse()
    const kept = Array.from({ length: whole.count }, (_, i) => i).filter((i) => Math.floor(i / 2000) % 10 !== 0)
    const pick = (values: ArrayLike<number>) =>
      kept.flatMap((i) => [values[3 * i]!, values[3 * i + 1]!, values[3 * i + 2]!])
    const holed = {
      count: kept.length,
      positions: Float32Array.from(pick(whole.positions)),
      colors: Uint8Array.from(pick(whole.colors)),
      normals: Float32Array.from(pick(whole.normals)),
    }
    const times = await compareTimes(
      {
        'still picture': () => stillPicture(frames),
        light: () => frames.map((frame) => matchLight(frame, still)),
        'motion mask': () => matched.map((frame) => motionMask(frame, still)),
        fusion: fuse,
        cover: () => coverHoles(shots, holed),
      },
      effort,
    )
    const pictures = {
      'still picture': frameCount,
      light: frameCount,
      'motion mask': frameCount,
      fusion: cameras,
      cover: cameras,
    }
    return (Object.keys(pictures) as (keyof typeof pictures)[]).map((what) => ({
      what,
      value: (pictures[what] * width * height) / 1e3 / times[what].median,
      unit: 'Mpixels/s',
    }))
  },
}
