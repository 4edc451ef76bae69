import { DeviceUnavailableError } from '@clipgstream/tensor'
import {
  createWebgpuDevice,
  type WebgpuDevice,
  type WebgpuModule,
  type WebgpuOptions,
} from '@clipgstream/tensor/webgpu'

let warned = false

/**
 * A poisoned device on the software adapter, so that tests say the same everywhere; `CLIPGSTREAM_WEBGPU_ADAPTER` names
 * another (`hardware` for the fastest). Null, and loudly, where there is none; with `CLIPGSTREAM_REQUIRE_WEBGPU=1` that is
 * an error.
 */
export async function webgpuForTests(options: WebgpuOptions = {}): Promise<WebgpuDevice | null> {
  const name = process.env['CLIPGSTREAM_WEBGPU_ADAPTER'] ?? 'swiftshader'
  try {
    return await createWebgpuDevice({ ...(name === 'hardware' ? {} : { adapter: name }), poison: true, ...options })
  } catch (error) {
    if (!(error instanceof DeviceUnavailableError) || process.env['CLIPGSTREAM_REQUIRE_WEBGPU'] === '1') throw error
    if (!warned) console.warn(`TESTS OF WEBGPU ARE SKIPPED: ${error.message}`)
    warned = true
    return null
  }
}

export const selftest = new URL('../dist/kernels/selftest.wgsl.json', import.meta.url)

/** A device of its own with the kernels of the self-test, for tests that break it. */
export async function freshWebgpu(
  options: WebgpuOptions = {},
): Promise<{ gpu: WebgpuDevice; module: WebgpuModule; [Symbol.dispose](): void }> {
  const gpu = await webgpuForTests(options)
  if (!gpu) throw new Error('these tests need an adapter')
  return { gpu, module: await gpu.load(selftest), [Symbol.dispose]: () => gpu.dispose() }
}
