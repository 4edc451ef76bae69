import { rasterizerConfig } from '@clipgstream/rasterizer'
import { createRandom } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from './close.js'
import { render } from './oracle.js'
import { forward, type Problem } from './run.js'
import { emptyScene, frontView, obliqueView, pick, randomScene, sceneOf } from './scene.js'

const device = await createWasmDevice({ threads: 1, poison: true })
afterAll(() => device.dispose())

async function expectOracle(problem: Problem): Promise<void> {
  const actual = await forward(device, problem)
  const expected = render(problem.scene, problem.view, rasterizerConfig(problem.config), problem.background)
  expectClose('image', actual.image, expected.image, 2e-6, 1e-5)
  expectClose('alpha', actual.alpha, expected.alpha, 2e-6, 1e-5)
  expectClose('depth', actual.depth, expected.depth, 2e-5, 1e-5)
  expect([...actual.radii]).toEqual([...expected.radii])
}

describe('one Gaussian', () => {
  const view = { ...frontView(33, 33), cx: 16.5, cy: 16.5 }

  it('is the analytic bell, widened by the dilation and cut at alphaMin', async () => {
    const sigma = 0.2
    const scene = sceneOf({ mean: [0, 0, 2], scale: [sigma, sigma, sigma], opacity: 0.6, color: [1, 0.5, 0.25] })
    const { image, alpha, depth } = await forward(device, { scene, view })
    const variance = ((view.fx * Math.fround(sigma)) / 2) ** 2 + 0.3
    let cut = 0
    for (let y = 0; y < 33; y++) {
      for (let x = 0; x < 33; x++) {
        const exact = Math.fround(0.6) * Math.exp((-0.5 * ((x - 16) ** 2 + (y - 16) ** 2)) / variance)
        const expected = exact >= 1 / 255 ? exact : 0
        if (expected === 0) cut++
        const pixel = 33 * y + x
        expect(alpha[pixel]).toBeCloseTo(expected, 6)
        expect(depth[pixel]).toBeCloseTo(2 * expected, 5)
        expect(image[3 * pixel + 2]).toBeCloseTo(0.25 * expected, 6)
      }
    }
    expect(cut).toBeGreaterThan(50)
    expect(cut).toBeLessThan(900)
  })

  it('is bounded by alphaMax', async () => {
    const { alpha } = await forward(device, { scene: sceneOf({ opacity: 1 }), view })
    expect(Math.max(...alpha)).toBeCloseTo(0.99, 6)
  })

  it('counts at opacity alphaMin exactly, at its centre only', async () => {
    const scene = sceneOf({ opacity: 1 / 255 }, { opacity: Math.fround(1 / 255) * (1 - 1e-6) })
    const alphaMin = Math.fround(1 / 255)
    const { alpha, radii } = await forward(device, { scene, view, config: { alphaMin } })
    expect([...alpha].filter((value) => value > 0)).toHaveLength(1)
    expect(alpha[33 * 16 + 16]).toBeCloseTo(1 / 255, 7)
    expect(radii[0]).toBeGreaterThan(0)
    expect(radii[1]).toBe(0)
  })

  it('is culled at the near plane, not beyond', async () => {
    const near = 0.5
    const next = Math.fround(0.5 + 2 ** -24)
    const scene = sceneOf({ mean: [0, 0, 0.5] }, { mean: [0, 0, next] }, { mean: [0, 0, -1] })
    const { radii } = await forward(device, { scene, view, config: { near } })
    expect([...radii].map((radius) => radius > 0)).toEqual([false, true, false])
  })
})

describe.each(['exact', 'three-sigma'] as const)('extent %s', (extent) => {
  it.each([
    ['front', frontView(40, 24), 60, 0.2],
    ['oblique, principal point off the centre', obliqueView(70, 50), 120, 0.3],
    ['one pixel', frontView(1, 1, 20), 40, 0.3],
    ['odd size', frontView(17, 33), 80, 0.1],
    ['splats below a pixel', frontView(48, 32), 150, 0.003],
    ['long thin splats', obliqueView(64, 48), 60, 0.15],
  ] as const)('equals the oracle: %s', async (name, view, gaussians, size) => {
    const scene = randomScene(createRandom(11), gaussians, view.width, view.height, size)
    if (name.startsWith('long')) for (let i = 0; i < gaussians; i++) scene.scales[3 * i]! *= 32
    await expectOracle({ scene, view, config: { extent }, background: [0.2, 0.5, 0.9] })
  })

  it('stops at the transmittance limit behind opaque splats', async () => {
    const view = frontView(40, 24)
    const scene = randomScene(createRandom(12), 80, 40, 24, 1)
    scene.opacities.fill(Math.fround(0.9))
    const problem = { scene, view, config: { extent }, background: [1, 1, 1] as const }
    await expectOracle(problem)
    const { alpha } = await forward(device, problem)
    expect(Math.max(...alpha)).toBeGreaterThan(0.99)
    expect(Math.max(...alpha)).toBeLessThanOrEqual(1 - 0.99e-4)
  })
})

it('cuts at the tiles of the three-sigma square only where the extent says so', async () => {
  // Opacity 1 reaches alphaMin at 3.33 sigma; at 3 sigma, and at a tile edge, the square ends.
  const view = frontView(64, 64, 64)
  const scene = sceneOf({ mean: [-0.25, 0, 2], scale: [0.1, 0.1, 0.1], opacity: 1 })
  const exact = await forward(device, { scene, view })
  const square = await forward(device, { scene, view, config: { extent: 'three-sigma' } })
  const column = (values: Float32Array, x: number) => values[64 * 31 + x]!
  expect(exact.radii).toEqual(square.radii)
  expect(square.radii[0]).toBe(10)
  for (let x = 0; x < 64; x++) {
    const inside = x >= 0 && x < 48
    if (inside) expect(column(square.alpha, x)).toBe(column(exact.alpha, x))
    else expect(column(square.alpha, x)).toBe(0)
  }
})

describe('scenes', () => {
  const view = frontView(40, 24)
  const background = [0.25, 0.5, 0.75] as const

  it('without Gaussians show the background', async () => {
    const { image, alpha, depth, radii } = await forward(device, { scene: emptyScene(0), view, background })
    expect(new Set(image)).toEqual(new Set(background))
    expect(new Set([...alpha, ...depth])).toEqual(new Set([0]))
    expect(radii).toHaveLength(0)
  })

  it('with every Gaussian culled show the background', async () => {
    const scene = sceneOf({ mean: [0, 0, -1] }, { mean: [90, 0, 2] }, { opacity: 0 })
    const { image, radii } = await forward(device, { scene, view, background })
    expect(new Set(image)).toEqual(new Set(background))
    expect([...radii]).toEqual([0, 0, 0])
  })

  it('use the first `count` Gaussians', async () => {
    const scene = randomScene(createRandom(13), 50, 40, 24, 0.2)
    const first = pick(
      scene,
      Array.from({ length: 20 }, (_, i) => i),
    )
    const whole = await forward(device, { scene: first, view, background })
    const counted = await forward(device, { scene, view, background, count: 20 })
    expect(counted.image).toEqual(whole.image)
    expect([...counted.radii]).toEqual([...whole.radii, ...new Array(30).fill(0)])
    const none = await forward(device, { scene, view, background, count: 0 })
    expect(new Set(none.image)).toEqual(new Set(background))
    const beyond = await forward(device, { scene, view, background, count: 0xffffffff })
    expect(beyond.image).toEqual((await forward(device, { scene, view, background })).image)
  })

  it('do not depend on the order of their Gaussians', async () => {
    const scene = randomScene(createRandom(14), 300, 40, 24, 0.1)
    const order = createRandom(15).shuffle(Array.from({ length: 300 }, (_, i) => i))
    const straight = await forward(device, { scene, view, background })
    const shuffled = await forward(device, { scene: pick(scene, order), view, background })
    expect(shuffled.image).toEqual(straight.image)
    expect(shuffled.depth).toEqual(straight.depth)
    expect([...shuffled.radii]).toEqual(order.map((i) => straight.radii[i]))
  })

  it('blend equal depths in index order', async () => {
    const red = { color: [1, 0, 0], opacity: 0.9 }
    const blue = { color: [0, 0, 1], opacity: 0.9 }
    const { image } = await forward(device, { scene: sceneOf(red, blue), view: { ...view, cx: 20.5, cy: 12.5 } })
    const centre = 3 * (40 * 12 + 20)
    expect(image[centre]).toBeCloseTo(0.9, 5)
    expect(image[centre + 2]).toBeCloseTo(0.09, 5)
  })
})
