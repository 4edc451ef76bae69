import { createRasterizer } from '@clipgstream/rasterizer-wasm-reference'
import { createRandom, OutOfMemoryError } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { expect, it } from 'vitest'
import { backward, forward, randomVOutputs } from './run.js'
import { frontView, obliqueView, pick, randomScene, upload } from './scene.js'

const view = obliqueView(150, 100)
// More than one block of every sort.
const gaussians = 20_000
const scene = randomScene(createRandom(51), gaussians, 150, 100)

it('bytes do not depend on the number of threads', async () => {
  const runs: Buffer[] = []
  for (const threads of [1, 2, 3]) {
    using device = await createWasmDevice({ threads, poison: true })
    const problem = { scene, view, background: [0.1, 0.2, 0.3] as const }
    const pass = await forward(device, problem)
    const gradients = await backward(device, problem, randomVOutputs(createRandom(52), view))
    runs.push(Buffer.concat([...Object.values(pass), ...Object.values(gradients)].map(bytes)))
    expect(pass.radii.filter((radius) => radius > 0).length).toBeGreaterThan(10_000)
  }
  expect(runs.map((run) => run.equals(runs[0]!))).toEqual([true, true, true])
})

it('the order of many Gaussians does not matter', async () => {
  using device = await createWasmDevice({ threads: 1, poison: true })
  const order = createRandom(53).shuffle(Array.from({ length: gaussians }, (_, i) => i))
  const straight = await forward(device, { scene, view })
  const shuffled = await forward(device, { scene: pick(scene, order), view })
  // Equal depths, of which 20,000 random floats have some, may change places.
  const different = straight.image.filter((value, i) => value !== shuffled.image[i]).length
  expect(different).toBeLessThan(0.01 * straight.image.length)
  expect(order.every((from, to) => shuffled.radii[to] === straight.radii[from])).toBe(true)
})

it('frees everything that it does not return', async () => {
  using device = await createWasmDevice({ threads: 1 })
  const rasterizer = await createRasterizer(device)
  const small = frontView(60, 40)
  const inputs = upload(device, randomScene(createRandom(54), 500, 60, 40))
  const vImage = device.zeros([40, 60, 3])
  const before = device.bytesInUse
  {
    const result = rasterizer.forward(inputs, small)
    const kept = [result.image, result.alpha, result.depth, result.radii, ...result.saved]
    expect(device.bytesInUse - before).toBe(kept.reduce((sum, tensor) => sum + allocated(tensor.byteLength), 0))
    const gradients = Object.values(rasterizer.backward(inputs, small, result, { vImage }))
    for (const tensor of [...kept, ...gradients]) tensor.dispose()
  }
  expect(device.bytesInUse).toBe(before)
  {
    using _scope = device.scope()
    rasterizer.backward(inputs, small, rasterizer.forward(inputs, small), { vImage })
  }
  expect(device.bytesInUse).toBe(before)
})

it('frees everything when memory runs out', async () => {
  using device = await createWasmDevice({ threads: 1, memoryLimit: 24 << 20 })
  const rasterizer = await createRasterizer(device)
  const large = frontView(1600, 1200)
  const crowd = randomScene(createRandom(55), 2000, 1600, 1200, 10)
  const inputs = upload(device, crowd)
  const before = device.bytesInUse
  expect(() => rasterizer.forward(inputs, large)).toThrow(OutOfMemoryError)
  expect(device.bytesInUse).toBe(before)
  const little = frontView(32, 32)
  const image = await rasterizer.forward(inputs, little).image.read()
  expect(image.every(Number.isFinite)).toBe(true)
})

function bytes(values: Float32Array | Int32Array): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength)
}

function allocated(bytes: number): number {
  return Math.ceil(Math.max(bytes, 1) / 64) * 64
}
