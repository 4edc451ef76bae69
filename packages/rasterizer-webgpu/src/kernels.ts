import type { WebgpuDevice } from '@clipgstream/tensor/webgpu'

export type Kernels = Awaited<ReturnType<typeof loadKernels>>

/** The kernels in the order of their launches. URLs are written out, so that bundlers find the files. */
export async function loadKernels(device: WebgpuDevice, { round = 8 }: { round?: 4 | 8 } = {}) {
  const project = await device.load(new URL('../dist/kernels/project.wgsl.json', import.meta.url))
  const lists = await device.load(new URL('../dist/kernels/lists.wgsl.json', import.meta.url))
  const forward = await device.load(new URL('../dist/kernels/forward.wgsl.json', import.meta.url))
  const backward = await device.load(new URL('../dist/kernels/backward.wgsl.json', import.meta.url))
  const gradients = await device.load(new URL('../dist/kernels/gradients.wgsl.json', import.meta.url))
  return {
    project: project.kernel('project'),
    paint: project.kernel('paint'),
    listTiles: lists.kernel('listTiles'),
    rangeTiles: lists.kernel('rangeTiles'),
    forward: forward.kernel('forward'),
    backward: backward.kernel('backward', { ROUND: round }),
    gradients: gradients.kernel('gradients'),
    gradientsOfColors: gradients.kernel('gradientsOfColors'),
  }
}
