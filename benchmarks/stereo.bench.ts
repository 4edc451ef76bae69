import { createPictures, createStereoOperators, estimateCloud, greyOf, transferMatrix } from '@clipgstream/stereo'
import type { WasmDevice } from '@clipgstream/tensor/wasm'
import { planesNear } from '../packages/stereo/test/inputs.js'
import { ring, shoot } from '../packages/stereo/test/scene.js'
import { agreeWith } from './agree.js'
import { atMost, type Benchmark, compareTimes } from './bench.js'
import { plainCosts } from './plain/stereo.js'
import { perSecond, threadRows, withThreads } from './threads.js'

const [width, height] = [320, 180]
const cameras = 8
const match = { reference: 3, sources: [1, 2, 4, 5] }
const patch = { samples: 5, spacing: 2 }
/** Rows that plain JavaScript works on, for one of the sources. */
const plainRows = 45

export const benchmark: Benchmark = {
  name: 'stereo',
  description:
    `A textured scene from ${cameras} cameras, 18 degrees apart, ${width}x${height}. The cost of a plane a pixel for ` +
    `${match.sources.length} sources, patches of 5x5 samples (plain JS: a quarter of the picture, one source). Then the ` +
    'whole way from images to a cloud, in megapixels of all images a second.',
  async run(effort) {
    const captures = ring(cameras, width, height).map((view) => shoot(view))
    const views = captures.map(({ view }) => view)
    const greys = captures.map(({ image }) => greyOf(image))
    const planes = planesNear(captures[match.reference]!, 1, 0.01)
    const setUp = async (device: WasmDevice) => {
      const operators = await createStereoOperators(device)
      const pictures = createPictures(device, views, greys)
      const given = device.from(planes, [height, width, 4])
      return { device, costs: () => operators.matchCosts(pictures, match, given, patch) }
    }
    const first = match.sources[0] ?? 0
    const pair = {
      reference: greys[match.reference]!,
      source: greys[first]!,
      matrix: transferMatrix(views[match.reference]!, views[first]!),
    }
    const plain = new Float32Array(width * height)
    const plainWork = () => plainCosts(pair, planes, plain, 0, plainRows)
    return withThreads(setUp, async ({ one, two }) => {
      plainWork()
      {
        using costs = one.costs()
        await agreeWith(costs, plain.subarray(0, plainRows * width), 'costs', 2e-3)
      }
      const run = ({ costs }: typeof one) => costs().dispose()
      const times = await compareTimes({ one: () => run(one), two: () => run(two), plain: plainWork }, effort)
      const evaluations = width * height * match.sources.length
      const share = (plainRows * width) / evaluations
      const whole = await compareTimes(
        { one: () => estimateCloud(one.device, captures), two: () => estimateCloud(two.device, captures) },
        atMost(3, effort),
      )
      const pixels = width * height * cameras
      return [
        ...threadRows('costs', perSecond(evaluations, 'Mpoints/s'), times, {
          'plain JS': { time: times.plain, share },
        }),
        ...threadRows('images to cloud', { unit: 'Mpixels/s', of: (ms) => pixels / 1e3 / ms }, whole, {}),
      ]
    })
  },
}
