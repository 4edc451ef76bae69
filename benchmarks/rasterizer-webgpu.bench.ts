import { type RasterizerConfig, rasterizerConfig } from '@clipgstream/rasterizer'
import { CudaRasterizer } from '@clipgstream/rasterizer-cuda'
import { WebgpuRasterizer, type WebgpuRasterizerOptions } from '@clipgstream/rasterizer-webgpu'
import { DeviceUnavailableError } from '@clipgstream/tensor'
import { createCudaDevice } from '@clipgstream/tensor/cuda'
import type { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import type { Benchmark, Effort, Row } from './bench.js'
import { gpuTime } from './gpu.js'
import {
  measureScene,
  type ObservedRasterizer,
  randomScenes,
  sceneDescription,
  type Timing,
} from './rasterizer-scenes.js'
import { onWebgpu, webgpuTime } from './webgpu.js'

/** Ways of `backward` other than the default: by name. */
const others: Readonly<Record<string, WebgpuRasterizerOptions>> = {
  'subgroups, compare-and-swap': { reduction: 'subgroups', rowBudget: 0 },
  'staged in rounds of 4': { reduction: 'staged', round: 4 },
  'staged in rounds of 2': { reduction: 'staged', round: 2 },
  'staged in rounds of 2, compare-and-swap': { reduction: 'staged', round: 2, rowBudget: 0 },
}

export const benchmark: Benchmark = {
  name: 'rasterizer on WebGPU',
  description: `${sceneDescription} GPU time; the CUDA device in the same run, where there is one, is the rival.`,
  run: (effort) =>
    onWebgpu(async (device) => {
      const config = rasterizerConfig()
      const timing = webgpuTiming(device, effort)
      using rival = await cudaRival(config, effort)
      const rows: Row[] = []
      let [ours, theirs] = [0, 0]
      for (const scene of randomScenes()) {
        const times = await measureScene(await WebgpuRasterizer.create(device, config), scene, timing)
        const cuda = rival && (await measureScene(await rival.create(), scene, rival.timing))
        device.trim()
        for (const pass of ['forward', 'backward'] as const) {
          const ratios = { ...(cuda && { cuda: cuda[pass] / times[pass] }) }
          rows.push({ what: `${scene.name}: ${pass}`, value: times[pass], unit: 'ms', ratios })
          ours += times[pass]
          theirs += cuda?.[pass] ?? Number.NaN
        }
        for (const [name, options] of Object.entries(others)) {
          if (options.reduction === 'subgroups' && !device.features.has('subgroups')) continue
          const rasterizer = await WebgpuRasterizer.create(device, config, options)
          const { backward } = await measureScene(rasterizer, scene, { time: timing.time })
          device.trim()
          const ratios = { 'the default': times.backward / backward }
          rows.push({ what: `${scene.name}: backward, ${name}`, value: backward, unit: 'ms', ratios })
        }
      }
      const ratios = rival ? { cuda: theirs / ours } : {}
      rows.push({ what: 'sum of all', value: ours, unit: 'ms', ratios })
      return rows
    }),
}

function webgpuTiming(device: WebgpuDevice, effort: Effort): Timing {
  const time = (work: () => void) => webgpuTime(device, { work, repeat: 10 }, effort)
  return device.features.has('timestamp-query') ? { time, profile: (work) => device.profile(work) } : { time }
}

interface Rival extends Disposable {
  create(): Promise<ObservedRasterizer>
  timing: Timing
}

async function cudaRival(config: RasterizerConfig, effort: Effort): Promise<Rival | undefined> {
  try {
    const device = await createCudaDevice()
    return {
      create: () => CudaRasterizer.create(device, config),
      timing: { time: (work) => gpuTime(device, { work, repeat: 10 }, effort) },
      [Symbol.dispose]: () => device.dispose(),
    }
  } catch (error) {
    if (!(error instanceof DeviceUnavailableError)) throw error
    console.warn(`No rival: ${error.message}`)
    return undefined
  }
}
