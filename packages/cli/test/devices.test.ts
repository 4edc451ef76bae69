import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'

const sample = fileURLToPath(new URL('../../../samples/court-mini', import.meta.url))
const bin = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'clipgstream-devices-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const settings = [
  'grid.levels=4',
  'grid.log2TableSize=8',
  'checkpointing.logEvery=2',
  'checkpointing.every=null',
  'decoders.gaussiansPerAnchor=1',
]
const small = ['--preset', 'mini', '--downsample', '8', '--clip-size', '7', '--allow-gaps', '--threads', '1'].concat(
  settings.flatMap((setting) => ['--set', setting]),
)

interface Outcome {
  code: number | null
  events: { type: string; clip?: number }[]
  errors: string
}

/** Runs the built program in a group of processes, as a terminal does, and signals the group when `when` says so. */
function clipgstream(
  args: readonly string[],
  signal?: NodeJS.Signals,
  when: (events: Outcome['events']) => boolean = () => false,
): Promise<Outcome> {
  const child = spawn(process.execPath, [bin, '--json', 'train', sample, ...args, ...small], { detached: true })
  const events: Outcome['events'] = []
  let [rest, errors, sent] = ['', '', false]
  child.stderr.on('data', (text) => {
    errors += text
  })
  child.stdout.on('data', (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    events.push(...lines.map((line) => JSON.parse(line)))
    if (sent || !signal || !when(events) || child.pid === undefined) return
    sent = true
    process.kill(-child.pid, signal)
  })
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, events, errors })))
}

const manifestOf = (run: string) => readFileSync(join(folder, run, 'clipstream.json'), 'utf8')

describe('train --devices', () => {
  it.each([
    ['--devices', 'wasm,wasm'],
    ['--device', 'wasm'],
  ] as const)('SIGTERM leaves every clip resumable: %s %s', async (...devices) => {
    const run = `stopped${devices[0]}`
    const args = [join(folder, run), '--iterations', '400', ...devices]
    const isRunning = (events: Outcome['events'], clip: number) =>
      events.some((event) => event.type === 'step' && event.clip === clip)
    const ready = (events: Outcome['events']) => isRunning(events, 0)
    const { code, events, errors } = await clipgstream(args, 'SIGTERM', ready)
    expect(errors).toBe('')
    expect(code).toBe(143)
    expect(events.at(-1)).toMatchObject({ type: 'aborted', clip: 0 })
    expect(readdirSync(join(folder, run, 'checkpoints'))).toEqual(['00000.safetensors'])
  })

  it('Ctrl-C leaves every clip resumable, to what one process trains', async () => {
    const few = ['--iterations', '20']
    const running = (events: Outcome['events']) =>
      [1, 2].every((clip) => events.some((event) => event.type === 'step' && event.clip === clip))
    const stopped = await clipgstream([join(folder, 'two'), ...few, '--devices', 'wasm,wasm'], 'SIGINT', running)
    expect(stopped).toMatchObject({ code: 130, errors: '' })
    const resumed = await clipgstream([join(folder, 'two'), ...few, '--devices', 'wasm,wasm', '--resume'])
    expect(resumed).toMatchObject({ code: 0, errors: '' })
    expect(resumed.events.at(-1)).toMatchObject({ type: 'done', clips: [0, 1, 2] })
    expect(await clipgstream([join(folder, 'one'), ...few, '--device', 'wasm'])).toMatchObject({ code: 0 })
    // Sizes and checksums of all files are in there.
    expect(manifestOf('two')).toBe(manifestOf('one'))
  })

  it('ends when a device is missing', async () => {
    const { code, errors } = await clipgstream([join(folder, 'missing'), '--devices', 'wasm,cuda:99'])
    expect(code).toBe(1)
    expect(errors).toMatch(/^cuda:99: device cuda/)
  })
})
