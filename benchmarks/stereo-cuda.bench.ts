import { createPictures, createStereoOperators, estimateCloud, greyOf } from '@clipgstream/stereo'
import { planesNear } from '../packages/stereo/test/inputs.js'
import { ring, shoot } from '../packages/stereo/test/scene.js'
import { type Benchmark, compareTimes } from './bench.js'
import { gpuTime, onGpu } from './gpu.js'

const [width, height] = [640, 360]
const cameras = 12
const match = { reference: 5, sources: [1, 2, 3, 4, 6, 7, 8, 9] }

export const benchmark: Benchmark = {
  name: 'stereo on CUDA',
  description:
    `A textured scene from ${cameras} cameras, 18 degrees apart, ${width}x${height}. The cost of a plane a pixel for ` +
    `${match.sources.length} sources, patches of 5x5 samples; the whole way from images to a cloud, on host and GPU.`,
  run: (effort) =>
    onGpu(async (device) => {
      const captures = ring(cameras, width, height).map((view) => shoot(view))
      using _ = device.scope()
      const operators = await createStereoOperators(device)
      const pictures = createPictures(
        device,
        captures.map(({ view }) => view),
        captures.map(({ image }) => greyOf(image)),
      )
      const planes = device.from(planesNear(captures[match.reference]!, 1, 0.01), [height, width, 4])
      const costs = await gpuTime(device, { work: () => operators.matchCosts(pictures, match, planes, {}) }, effort)
      const { whole } = await compareTimes({ whole: () => estimateCloud(device, captures) }, effort)
      const evaluations = width * height * match.sources.length
      return [
        { what: 'costs', value: evaluations / 1e3 / costs, unit: 'Mpoints/s' },
        { what: 'images to cloud', value: whole.median / cameras, unit: 'ms a view' },
      ]
    }),
}
