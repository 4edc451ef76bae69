import type { CudaDevice } from '@clipgstream/tensor/cuda'
import type { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import type { Effort, Row } from './bench.js'
import { type GpuWork, gpuTime, onGpu } from './gpu.js'
import { onWebgpu, webgpuTime } from './webgpu.js'

/** A GPU by one of the two ways to it. */
export type Gpu = CudaDevice | WebgpuDevice

/** Runs `body` on CUDA, then on WebGPU; figures of both come with what CUDA took in the same run. */
export async function onGpus(body: (device: Gpu) => Promise<Row[]>): Promise<Row[]> {
  const cuda = await onGpu(body)
  const webgpu = await onWebgpu(body)
  const name = (kind: string, row: Row): Row => ({ ...row, what: `${kind}: ${row.what}` })
  return [
    ...cuda.map((row) => name('cuda', row)),
    ...webgpu.map((row) => {
      const rival = row.unit === 'ms' ? cuda.find(({ what, unit }) => what === row.what && unit === 'ms') : undefined
      const ratios = { ...row.ratios, ...(rival && { cuda: rival.value / row.value }) }
      return name('webgpu', { ...row, ratios })
    }),
  ]
}

/** Milliseconds of GPU time that a call of `work` takes, the median of several times. */
export function timeOf(device: Gpu, work: GpuWork, effort: Effort): Promise<number> {
  return device.kind === 'cuda' ? gpuTime(device, work, effort) : webgpuTime(device, work, effort)
}
