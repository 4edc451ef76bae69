import { createPhotometricLoss } from '@clipgstream/losses'
import { createRandom } from '@clipgstream/tensor'
import type { WasmDevice } from '@clipgstream/tensor/wasm'
import { agreeWith } from './agree.js'
import { type Benchmark, compareTimes } from './bench.js'
import { plainPhotometric } from './plain/photometric.js'
import { inMilliseconds, threadRows, withThreads } from './threads.js'

const [width, height] = [640, 360]
const weights = { l1: 0.8, dssim: 0.2 }

export const benchmark: Benchmark = {
  name: 'loss',
  description: `L1 and SSIM with an 11x11 window, and their gradient, of an image of ${width}x${height}.`,
  async run(effort) {
    const random = createRandom(1)
    const target = Uint8Array.from(
      { length: width * height * 3 },
      (_, i) => 128 + 90 * Math.sin(i / 50) + 30 * random.uniform(),
    )
    const image = Float32Array.from(target, (value) => value / 255 + 0.1 * random.normal())
    const setUp = async (device: WasmDevice) => {
      const loss = await createPhotometricLoss(device)
      const x = device.from(image, [height, width, 3])
      const y = device.from(target, [height, width, 3])
      const step = () => {
        const result = loss.forward(x, y)
        return { result, vImage: loss.backward(x, y, result, weights) }
      }
      return { device, step }
    }
    const run = ({ device, step }: Awaited<ReturnType<typeof setUp>>) => {
      using _ = device.scope()
      step()
    }
    const plain = () => plainPhotometric(image, target, height, width, weights)
    return withThreads(setUp, async ({ one, two }) => {
      {
        using _ = one.device.scope()
        const { result, vImage } = one.step()
        const expected = plain()
        await agreeWith(result.terms, expected.terms, 'terms', 1e-5)
        await agreeWith(vImage, expected.vImage, 'vImage', 1e-3)
      }
      const times = await compareTimes({ one: () => run(one), two: () => run(two), plain }, effort)
      return threadRows('forward and backward', inMilliseconds, times, { 'plain JS': { time: times.plain } })
    })
  },
}
