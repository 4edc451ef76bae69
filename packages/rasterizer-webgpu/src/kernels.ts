import type { WebgpuDevice } from '@clipgstream/tensor/webgpu'

export type Kernels = Awaited<ReturnType<typeof loadKernels>>

/** How the gradients of a splat's pixels are added up: by shuffles of subgroups, or through workgroup memory. */
export type Reduction = 'subgroups' | 'staged'

export interface KernelOptions {
  reduction: Reduction
  /** Splats of a quarter of a tile that are staged at once. */
  round: 2 | 4
}

/** What the adapter does best. Small subgroups leave most of the sums to workgroup memory. */
export function bestReduction({ subgroupLanes }: WebgpuDevice): Reduction {
  return subgroupLanes && subgroupLanes.least >= 16 ? 'subgroups' : 'staged'
}

/** The kernels in the order of their launches. URLs are written out, so that bundlers find the files. */
export async function loadKernels(device: WebgpuDevice, { reduction, round }: KernelOptions) {
  const project = await device.load(new URL('../dist/kernels/project.wgsl.json', import.meta.url))
  const lists = await device.load(new URL('../dist/kernels/lists.wgsl.json', import.meta.url))
  const forward = await device.load(new URL('../dist/kernels/forward.wgsl.json', import.meta.url))
  const without = reduction === 'subgroups' ? [] : (['subgroups'] as const)
  const backward = await device.load(new URL('../dist/kernels/backward.wgsl.json', import.meta.url), without)
  const collect = await device.load(new URL('../dist/kernels/collect.wgsl.json', import.meta.url))
  const gradients = await device.load(new URL('../dist/kernels/gradients.wgsl.json', import.meta.url))
  return {
    project: project.kernel('project'),
    paint: project.kernel('paint'),
    listTiles: lists.kernel('listTiles'),
    rangeTiles: lists.kernel('rangeTiles'),
    forward: forward.kernel('forward'),
    clear: collect.kernel('clear'),
    backward: backward.kernel('backward', reduction === 'subgroups' ? { LANES: lanesOf(device) } : { ROUND: round }),
    collect: collect.kernel('collect'),
    gradients: gradients.kernel('gradients'),
    gradientsOfColors: gradients.kernel('gradientsOfColors'),
  }
}

/** Lanes of every subgroup, 0 where they differ or nobody knows. */
function lanesOf({ subgroupLanes }: WebgpuDevice): number {
  return subgroupLanes && subgroupLanes.least === subgroupLanes.most ? subgroupLanes.least : 0
}
