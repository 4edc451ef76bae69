import { quantize } from '@clipgstream/io'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { createMemoryRun, train, type Watch } from '@clipgstream/trainer'
import { expect, it } from 'vitest'
import { tinyConfig, tinyData } from './tiny-data.js'

const data = tinyData()
const [camera] = data.cameras
if (!camera) throw new Error('no camera')
const { view } = camera
const config = tinyConfig({ optimizer: { iterations: 6 } })

async function trained(watch?: Watch) {
  using device = await createWasmDevice({ threads: 1, poison: true })
  const files = new Map<string, Uint8Array>()
  for await (const _ of train({
    data,
    device,
    run: createMemoryRun(files),
    config,
    clips: [0],
    ...(watch && { watch }),
  }));
  expect(device.bytesInUse).toBe(0)
  return files
}

it('shows the model before every step and changes nothing', async () => {
  const plain = await trained()
  const iterations: number[] = []
  const images: Float32Array[] = []
  const watched = await trained(async ({ iteration, clip, render }) => {
    iterations.push(iteration)
    using image = render(view, clip.start)
    expect(image.shape).toEqual([view.height, view.width, 3])
    images.push(await image.read())
  })
  expect(iterations).toEqual([0, 1, 2, 3, 4, 5])
  expect(images[5]).not.toEqual(images[0])
  expect(Object.fromEntries(watched)).toEqual(Object.fromEntries(plain))
})

it('renders what evaluation measures', async () => {
  using device = await createWasmDevice({ threads: 1, poison: true })
  const looks: Uint8Array[] = []
  const evaluated = tinyConfig({ optimizer: { iterations: 4 }, checkpointing: { evaluateAt: [3] } })
  const watch: Watch = async ({ render }) => {
    using image = render(view, 0)
    looks.push(quantize(await image.read()))
  }
  const samples: Uint8Array[] = []
  for await (const event of train({ data, device, run: createMemoryRun(), config: evaluated, clips: [0], watch }))
    if (event.type === 'evaluation') samples.push(event.sample.rendered)
  expect(samples).toEqual([looks[3]])
})

it('waits for whoever looks', async () => {
  const order: string[] = []
  await trained(async ({ iteration }) => {
    order.push(`in ${iteration}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
    order.push(`out ${iteration}`)
  })
  expect(order.slice(0, 4)).toEqual(['in 0', 'out 0', 'in 1', 'out 1'])
})

it('refuses frames of other clips', async () => {
  await expect(
    trained(({ render }) => {
      render(view, 3)
    }),
  ).rejects.toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: LiveClip.render: frame must be in [0, 3), the clip's frames, got 3]`,
  )
})
