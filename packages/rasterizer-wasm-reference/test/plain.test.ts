import { rasterizerConfig } from '@clipgstream/rasterizer'
import { createRandom } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { expect, it } from 'vitest'
import { plainBackward, plainForward } from './plain.js'
import { backward, forward } from './run.js'
import { obliqueView, randomScene } from './scene.js'

it('equals plain JavaScript on a scene of real size', async () => {
  const [width, height, gaussians] = [160, 90, 20_000]
  const view = obliqueView(width, height)
  const scene = randomScene(createRandom(61), gaussians, width, height, 0.03)
  const vImage = Float64Array.from({ length: width * height * 3 }, (_, i) => Math.fround(Math.sin(i)))
  using device = await createWasmDevice({ threads: 2, poison: true })
  const { image } = await forward(device, { scene, view })
  const gradients = await backward(device, { scene, view }, { vImage })

  const arrays = {
    means: Float32Array.from(scene.means),
    quats: Float32Array.from(scene.quats),
    scales: Float32Array.from(scene.scales),
    opacities: Float32Array.from(scene.opacities),
    colors: Float32Array.from(scene.colors),
  }
  const config = rasterizerConfig()
  const result = plainForward(arrays, view, config)
  const plain = plainBackward(arrays, view, config, result, Float32Array.from(vImage))
  // A threshold that falls the other way shows in a pixel, and in all Gaussians that it blends.
  expect(relativeDifference(image, result.image)).toBeLessThan(1e-4)
  for (const name of Object.keys(plain) as (keyof typeof plain)[]) {
    expect(relativeDifference(gradients[name], plain[name]), name).toBeLessThan(1e-3)
  }
})

/** Root mean square of the difference over that of `expected`. */
function relativeDifference(actual: Float32Array, expected: Float32Array): number {
  let difference = 0
  let size = 0
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2
    size += expected[i]! ** 2
  }
  return Math.sqrt(difference / size)
}
