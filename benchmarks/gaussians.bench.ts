import { lookAt } from '@clipgstream/camera'
import {
  createAnchorOperators,
  createCoverage,
  defaultAnchorConfig,
  meanSquaredNeighbourDistances,
  parityResidualThreshold,
  residualCloud,
} from '@clipgstream/gaussians'
import { createRandom, type Random } from '@clipgstream/tensor'
import type { WasmDevice } from '@clipgstream/tensor/wasm'
import { agree, agreeWith } from './agree.js'
import { atMost, type Benchmark, compareTimes, type Effort, type Row } from './bench.js'
import { bruteForceNeighbours, bruteForceResidual, plainAssemble, plainVisible } from './plain/anchors.js'
import { inMilliseconds, threadRows, withThreads } from './threads.js'

const cloudPoints = 100_000
const anchors = 60_000
const perAnchor = 10
const queries = 200

export const benchmark: Benchmark = {
  name: 'gaussians',
  description:
    'Points in clusters of 100. Neighbours and deduplication run on the host, on one thread; brute force, which looks at every ' +
    `point, does ${queries} queries and is scaled. Visible anchors and their Gaussians: ${anchors} anchors of ${perAnchor}.`,
  async run(effort) {
    const random = createRandom(1)
    return [...(await compareClouds(random, atMost(3, effort))), ...(await compareAnchors(random, effort))]
  },
}

/** Around `centres`, normal with a standard deviation of 0.05. */
function scatter(random: Random, centres: Float32Array, points: number): Float32Array<ArrayBuffer> {
  const result = new Float32Array(3 * points)
  for (let i = 0; i < points; i++) {
    const cluster = random.integer(centres.length / 3)
    for (let axis = 0; axis < 3; axis++) result[3 * i + axis] = centres[3 * cluster + axis]! + 0.05 * random.normal()
  }
  return result
}

function clusters(random: Random, points: number): Float32Array {
  return Float32Array.from({ length: 3 * (points / 100) }, () => 4 * random.uniform() - 2)
}

async function compareClouds(random: Random, effort: Effort): Promise<Row[]> {
  const cloud = scatter(random, clusters(random, cloudPoints), cloudPoints)
  const centres = clusters(random, anchors)
  const reference = scatter(random, centres, anchors)
  const candidates = scatter(random, centres, anchors)
  const coverage = createCoverage(reference)
  const threshold = parityResidualThreshold
  const dedupe = () => residualCloud(coverage, candidates, { threshold })
  const bruteForce = () => bruteForceResidual(reference, coverage.radii, candidates, queries, threshold)
  agree(
    'neighbours',
    meanSquaredNeighbourDistances(cloud).slice(0, queries),
    bruteForceNeighbours(cloud, queries),
    1e-9,
  )
  agree(
    'deduplication',
    [...dedupe().kept].filter((i) => i < queries),
    bruteForce(),
    0,
  )
  const times = await compareTimes(
    {
      neighbours: () => meanSquaredNeighbourDistances(cloud),
      bruteNeighbours: () => bruteForceNeighbours(cloud, queries),
      coverage: () => createCoverage(reference),
      dedupe,
      bruteForce,
    },
    effort,
  )
  return [
    {
      what: `3 nearest neighbours of ${cloudPoints} points`,
      value: times.neighbours.median,
      unit: 'ms',
      ratios: { 'brute force': (times.bruteNeighbours.median * cloudPoints) / queries / times.neighbours.median },
    },
    { what: `spheres of ${anchors} points and their tree`, value: times.coverage.median, unit: 'ms' },
    {
      what: `deduplicating ${anchors} points against ${anchors} spheres`,
      value: times.dedupe.median,
      unit: 'ms',
      ratios: { 'brute force': (times.bruteForce.median * anchors) / queries / times.dedupe.median },
    },
  ]
}

async function compareAnchors(random: Random, effort: Effort): Promise<Row[]> {
  const normal = (length: number) => Float32Array.from({ length }, () => random.normal())
  const positions = scatter(random, clusters(random, anchors), anchors)
  const logScaling = normal(6 * anchors).map((value) => Math.log(0.02) + 0.3 * value)
  const decoded = {
    opacity: new Float32Array(anchors * perAnchor).fill(0.5),
    cov: normal(7 * anchors * perAnchor),
    color: new Float32Array(3 * anchors * perAnchor).fill(0.5),
    offset: normal(3 * anchors * perAnchor),
  }
  const view = lookAt([0, 0, -4], [0, 0, 0], [0, -1, 0], {
    width: 640,
    height: 360,
    fx: 500,
    fy: 500,
    cx: 320,
    cy: 180,
  })
  const setUp = async (device: WasmDevice) => {
    const operators = await createAnchorOperators(device)
    const inputs = {
      positions: device.from(positions, [anchors, 3]),
      logScaling: device.from(logScaling, [anchors, 6]),
    }
    const outputs = {
      opacity: device.from(decoded.opacity, [anchors, perAnchor]),
      cov: device.from(decoded.cov, [anchors, 7 * perAnchor]),
      color: device.from(decoded.color, [anchors, 3 * perAnchor]),
      offset: device.from(decoded.offset, [anchors, 3 * perAnchor]),
    }
    return {
      device,
      visible: () => operators.visible(inputs, view),
      assemble: (visible: ReturnType<typeof operators.visible>) => operators.assemble(inputs, visible, outputs),
    }
  }
  const run = ({ device, visible, assemble }: Awaited<ReturnType<typeof setUp>>) => {
    using _ = device.scope()
    assemble(visible())
  }
  const plainAnchors = { positions, logScaling }
  const plain = () => {
    const indices = plainVisible(plainAnchors, view, defaultAnchorConfig)
    return { indices, ...plainAssemble(plainAnchors, indices, decoded, perAnchor) }
  }
  return withThreads(setUp, async ({ one, two }) => {
    const expected = plain()
    {
      using _ = one.device.scope()
      const visible = one.visible()
      const [count = 0] = await visible.count.read()
      agree('visible anchors', await one.device.read(visible.indices, 0, count), expected.indices, 0)
      const gaussians = one.assemble(visible)
      for (const name of ['means', 'quats', 'scales'] as const)
        await agreeWith(gaussians[name], expected[name], name, 1e-5)
    }
    const times = await compareTimes({ one: () => run(one), two: () => run(two), plain }, effort)
    const what = `visible (${expected.indices.length}) and assembled`
    return threadRows(what, inMilliseconds, times, { 'plain JS': { time: times.plain } })
  })
}
