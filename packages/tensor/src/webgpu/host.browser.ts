import { DeviceUnavailableError } from '../errors.js'
import type { WebgpuHost } from './host.js'

export const host: WebgpuHost = {
  environment: () => undefined,
  async open() {
    const gpu: GPU | undefined = navigator.gpu
    if (!gpu) {
      const reason = globalThis.isSecureContext
        ? 'this browser does not offer WebGPU here'
        : 'pages have WebGPU only in a secure context'
      const remedy = 'Use a current browser over https or on localhost, or the wasm device'
      throw new DeviceUnavailableError('webgpu', reason, remedy)
    }
    return {
      gpu,
      remedy: 'See chrome://gpu for why the browser does not use it, or use the wasm device',
      async describe() {
        const adapter = await gpu.requestAdapter()
        return adapter ? `${adapter.info.vendor} ${adapter.info.architecture}`.trim() : 'no adapter'
      },
    }
  },
}
