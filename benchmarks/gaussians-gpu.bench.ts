import { lookAt } from '@clipgstream/camera'
import { createAnchorOperators } from '@clipgstream/gaussians'
import { createRandom } from '@clipgstream/tensor'
import type { Benchmark, Effort, Row } from './bench.js'
import { memoryBandwidth, withFloor } from './gpu.js'
import { type Gpu, onGpus, timeOf } from './gpus.js'

const anchors = 100_000
const perAnchor = 10
const gaussians = anchors * perAnchor
const [staticWidth, dynamicWidth] = [64, 64]

export const benchmark: Benchmark = {
  name: 'gaussians on GPUs',
  description:
    `${anchors} anchors of ${perAnchor} Gaussians, all of them listed as visible; features of ${staticWidth} and ${dynamicWidth}. ` +
    'The floor is the time to move the bytes once at 3 TB/s; what stays in the L2 cache between repetitions may beat it.',
  run: (effort) => onGpus((device) => measure(device, effort)),
}

async function measure(device: Gpu, effort: Effort): Promise<Row[]> {
  using _ = device.scope()
  const random = createRandom(1)
  const normal = (shape: number[], scale = 1, shift = 0) => {
    const size = shape.reduce((product, extent) => product * extent, 1)
    return device.from(
      Float32Array.from({ length: size }, () => shift + scale * random.normal()),
      shape,
    )
  }
  const operators = await createAnchorOperators(device)
  const inputs = { positions: normal([anchors, 3], 2), logScaling: normal([anchors, 6], 0.5, -4) }
  const image = { width: 960, height: 540, fx: 580, fy: 580, cx: 480, cy: 270 }
  const view = lookAt([0, 0, -6], [0, 0, 0], [0, -1, 0], image)
  const visible = {
    indices: device.from(Uint32Array.from({ length: anchors }, (_, i) => i)),
    count: device.from(new Uint32Array([anchors])),
  }
  const decoded = {
    opacity: normal([anchors, perAnchor]),
    cov: normal([anchors, 7 * perAnchor]),
    color: normal([anchors, 3 * perAnchor]),
    offset: normal([anchors, 3 * perAnchor]),
  }
  const made = operators.assemble(inputs, visible, decoded)
  const vLogScaling = device.zeros([anchors, 6])
  const features = [normal([anchors, staticWidth]), normal([anchors, dynamicWidth])] as const
  const vStatic = device.zeros([anchors, staticWidth])
  const widths = { static: staticWidth, dynamic: dynamicWidth }
  const combined = operators.combine(...features, visible, 'concatenate')
  const statistics = operators.createGrowthStatistics(anchors, perAnchor)
  const radii = device.from(new Int32Array(gaussians).fill(1))
  const vMeans2d = normal([gaussians, 2])
  const bounds = { min: [-9, -9, -9], max: [9, 9, 9] } as const

  const rows: Row[] = []
  const time = async (what: string, bytes: number, work: () => void) => {
    const value = await timeOf(device, { work, repeat: 50 }, effort)
    rows.push(...withFloor({ what, value, unit: 'ms' }, (1e3 * bytes) / memoryBandwidth))
  }
  const width = 4 * (staticWidth + dynamicWidth)
  await time('visible', 36 * anchors, () => operators.visible(inputs, view))
  await time('fieldPoints', 32 * anchors, () => operators.fieldPoints(inputs, visible, bounds, 0.5))
  await time('combine', 2 * width * anchors, () => operators.combine(...features, visible, 'concatenate'))
  await time('combine backward', (2 * width + 4 * staticWidth) * anchors, () =>
    operators.combineBackward(combined, visible, 'concatenate', widths, vStatic),
  )
  await time('assemble', 80 * gaussians + 40 * anchors, () => operators.assemble(inputs, visible, decoded))
  await time('assemble backward', 120 * gaussians + 76 * anchors, () =>
    operators.assembleBackward(inputs, visible, decoded, made, vLogScaling),
  )
  await time('growth statistics', 32 * gaussians + 20 * anchors, () =>
    operators.accumulateGrowth(statistics, visible, made, radii, vMeans2d),
  )
  return rows
}
