import { rasterizerConfig } from '@clipgstream/rasterizer'
import { CudaRasterizer } from '@clipgstream/rasterizer-cuda'
import type { Benchmark, Row } from './bench.js'
import { gpuTime, onGpu, peers } from './gpu.js'
import { gsplat, measureScene, randomScenes, sceneDescription } from './rasterizer-scenes.js'

export const benchmark: Benchmark = {
  name: 'rasterizer on CUDA',
  description: `${sceneDescription} GPU time by events; gsplat in another run on an H100.`,
  run: (effort) =>
    onGpu(async (device) => {
      const rows: Row[] = []
      let [ours, theirs] = [0, 0]
      for (const scene of randomScenes()) {
        const rasterizer = await CudaRasterizer.create(device, rasterizerConfig())
        const times = await measureScene(rasterizer, scene, {
          time: (work) => gpuTime(device, { work, repeat: 10 }, effort),
          profile: (work) => device.profile(work),
        })
        for (const [k, pass] of (['forward', 'backward'] as const).entries()) {
          const theirTime = gsplat[scene.name]?.[k] ?? Number.NaN
          const ratios = peers(device, times[pass], { gsplat: theirTime })
          rows.push({ what: `${scene.name}: ${pass}`, value: times[pass], unit: 'ms', ratios })
          ours += times[pass]
          theirs += theirTime
        }
      }
      rows.push({ what: 'sum of all', value: ours, unit: 'ms', ratios: peers(device, ours, { gsplat: theirs }) })
      return rows
    }),
}
