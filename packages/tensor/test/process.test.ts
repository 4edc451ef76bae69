// A process with live worker threads ends by itself, whatever happens in it. Runs the built package.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)
const dist = new URL('../dist/', import.meta.url)

function program(body: string): Promise<{ stdout: string; stderr: string; code?: number }> {
  const source = `
    import { createWasmDevice } from '${new URL('wasm/index.js', dist)}'
    const device = await createWasmDevice({ threads: 3 })
    const module = await device.load(new URL('${new URL('kernels/selftest.wasm', dist)}'))
    const numbers = device.zeros([8], 'u32')
    device.launch(module.kernel('count'), 8, numbers)
    console.log((await numbers.read()).join(''))
    ${body}`
  const args = ['--input-type=module', '--eval', source]
  return run(process.execPath, args, { cwd: fileURLToPath(dist), timeout: 20_000 }).catch((error) => error)
}

it.each([
  ['after its last line', '', 0],
  ['after dispose', 'device.dispose()', 0],
  ['on an exception', 'throw new Error("stop")', 1],
  ['on an unhandled rejection', 'Promise.reject(new Error("stop"))', 1],
  ['on process.exit', 'process.exit(3)', 3],
  ['on an exit code', 'process.exitCode = 4', 4],
  ['while a module is being loaded', 'device.load(new URL("data:,")).catch(() => {}); device.dispose()', 0],
])('ends %s', async (_, body, code) => {
  const result = await program(body)
  expect(result.stdout).toBe('11111111\n')
  expect(result.code ?? 0).toBe(code)
})
