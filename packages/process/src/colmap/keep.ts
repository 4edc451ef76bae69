import { type ChildProcess, spawn } from 'node:child_process'

/**
 * Runs in a process of its own, between us and the program. Its channel to us ends when we do, however that comes, and then it
 * ends the program: nothing else would, and a COLMAP without parent keeps its database locked against the next run.
 */
const keeper = `
const [program, ...args] = process.argv.slice(1)
const child = require('node:child_process').spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] })
const say = (message) => process.connected && process.send(message, () => process.connected && process.disconnect())
for (const event of ['disconnect', 'message', 'SIGTERM']) process.on(event, () => child.kill('SIGKILL'))
process.on('SIGINT', () => {}) // the program has it from the terminal, too
child.on('error', ({ code, message }) => say({ error: message, errorCode: code }))
child.on('exit', (code, signal) => say({ code, signal }))
`

export interface Ending {
  readonly code: number | null
  readonly signal: string | null
}

export interface Kept {
  readonly stdout: NodeJS.ReadableStream
  readonly stderr: NodeJS.ReadableStream
  /** When all is printed; rejects when the program cannot be started. */
  readonly ended: Promise<Ending>
  stop(): void
}

/** Starts a program that does not outlive this process. */
export function spawnKept(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Kept {
  const child: ChildProcess = spawn(process.execPath, ['-e', keeper, program, ...args], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const { stdout, stderr } = child
  if (!stdout || !stderr) throw new Error('a child with pipes has streams')
  const ended = new Promise<Ending>((resolve, reject) => {
    let told: Ending | null = null
    child.on('message', (message) => {
      if (typeof message !== 'object' || message === null) return
      if ('error' in message)
        reject(Object.assign(new Error(String(message.error)), { code: 'errorCode' in message && message.errorCode }))
      else if ('code' in message && 'signal' in message)
        told = {
          code: typeof message.code === 'number' ? message.code : null,
          signal: typeof message.signal === 'string' ? message.signal : null,
        }
    })
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(told ?? { code, signal }))
  })
  return { stdout, stderr, ended, stop: () => child.connected && child.send('stop') }
}
