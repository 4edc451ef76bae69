import type { Host } from './host.js'

export const host: Host = {
  cores: navigator.hardwareConcurrency || 1,
  canShare: globalThis.crossOriginIsolated === true,
  canBlock: typeof document === 'undefined',
  async readBytes(url) {
    const response = await fetch(url)
    if (!response.ok) throw new Error(`${url}: HTTP status ${response.status}`)
    return new Uint8Array(await response.arrayBuffer())
  },
  startWorker() {
    const worker = new Worker(new URL('./worker.browser.js', import.meta.url), { type: 'module' })
    return {
      ask: (message) =>
        new Promise((resolve, reject) => {
          worker.onmessage = ({ data }) => resolve(data)
          worker.onmessageerror = () => reject(new Error('the message could not be read'))
          worker.onerror = (event) => reject(new Error(event.message || 'the worker did not start'))
          worker.postMessage(message)
        }),
      terminate: () => worker.terminate(),
    }
  },
}
