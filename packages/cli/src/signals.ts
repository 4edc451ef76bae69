import { stopped } from './report.js'

/** The first Ctrl-C or SIGTERM aborts `signal`; the second one ends the process. */
export function stopOnSignals(): { signal: AbortSignal; exitCode(): number } & Disposable {
  const interrupt = new AbortController()
  let received: keyof typeof stopped = 'SIGINT'
  const handler = (name: NodeJS.Signals) => {
    if (name !== 'SIGINT' && name !== 'SIGTERM') return
    if (interrupt.signal.aborted) {
      release()
      process.kill(process.pid, name)
      return
    }
    received = name
    interrupt.abort()
  }
  const endings = ['SIGINT', 'SIGTERM'] as const
  const release = () => {
    for (const name of endings) process.off(name, handler)
  }
  for (const name of endings) process.on(name, handler)
  return { signal: interrupt.signal, exitCode: () => stopped[received], [Symbol.dispose]: release }
}
