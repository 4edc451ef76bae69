import type { WasmDevice } from '@clipgstream/tensor/wasm'

export type Kernels = Awaited<ReturnType<typeof loadKernels>>

/** The kernels in the order of their launches. URLs are written out, so that bundlers find the files. */
export async function loadKernels(device: WasmDevice) {
  const project = await device.load(new URL('../dist/kernels/project.wasm', import.meta.url))
  const sort = await device.load(new URL('../dist/kernels/sort.wasm', import.meta.url))
  const lists = await device.load(new URL('../dist/kernels/lists.wasm', import.meta.url))
  const forward = await device.load(new URL('../dist/kernels/forward.wasm', import.meta.url))
  const backward = await device.load(new URL('../dist/kernels/backward.wasm', import.meta.url))
  const gradients = await device.load(new URL('../dist/kernels/gradients.wasm', import.meta.url))
  return {
    project: project.kernel('project'),
    scanTotals: project.kernel('scanTotals'),
    numberPairs: project.kernel('numberPairs'),
    histogram: sort.kernel('histogram'),
    scanDigits: sort.kernel('scanDigits'),
    scatter: sort.kernel('scatter'),
    gather: sort.kernel('gather'),
    countPairs: lists.kernel('countPairs'),
    scanTiles: lists.kernel('scanTiles'),
    listPairs: lists.kernel('listPairs'),
    forward: forward.kernel('forward'),
    backward: backward.kernel('backward'),
    gradients: gradients.kernel('gradients'),
  }
}
