// Everything that is checked before a change lands, in the order of what fails fastest: lint, types, tests on the
// sources, tests on what would be published, also in a browser, and the conformance of the kernels, on wasm and on the
// software adapter of WebGPU where there is one. Expects a built workspace.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const reports = mkdtempSync(join(tmpdir(), 'clipgstream-test-'))
const totals = { passed: 0, failed: 0, skipped: 0 }
let broken = false

/**
 * @param {string} title
 * @param {readonly string[]} command
 * @param {Record<string, string>} env
 */
function step(title, command, env = {}) {
  console.log(`\n== ${title}`)
  const started = Date.now()
  const [program = '', ...args] = command
  const { status } = spawnSync(program, args, {
    stdio: 'inherit',
    env: { ...process.env, ...env, PATH: `${join('node_modules', '.bin')}:${process.env['PATH']}` },
  })
  console.log(`== ${title}: ${status === 0 ? 'ok' : 'FAILED'}, ${((Date.now() - started) / 1000).toFixed(0)} s`)
  if (status !== 0) broken = true
  return status === 0
}

/**
 * @param {string} title
 * @param {Record<string, string>} env
 * @param {string} root
 */
function tests(title, env, root = '.') {
  const report = join(reports, `${title.replaceAll(' ', '-')}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  step(title, ['vitest', 'run', '--root', root, ...reporters], env)
  try {
    const result = JSON.parse(readFileSync(report, 'utf8'))
    totals.passed += result.numPassedTests
    totals.failed += result.numFailedTests
    totals.skipped += result.numPendingTests + result.numTodoTests
  } catch {
    console.error(`${title} wrote no report`)
    broken = true
  }
}

/** Why the software adapter of WebGPU cannot be used here, or undefined. */
async function findSoftwareAdapter() {
  try {
    const { createWebgpuDevice } = await import('../packages/tensor/dist/webgpu/index.js')
    const device = await createWebgpuDevice({ adapter: 'swiftshader' })
    device.dispose()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

step('format and lint', ['biome', 'check', '.'])
step('types and packages', ['nx', 'run-many', '-t', 'typecheck', 'lint', '--output-style=stream'])
step('types of the tools', ['tsc', '-p', 'tools/tsconfig.json'])
step('types of the benchmarks', ['tsc', '-p', 'benchmarks/tsconfig.json'])
tests('tests on the sources', {})
tests('tests on the built packages', { CLIPGSTREAM_DIST: '1' })
tests('tests in a browser', { CLIPGSTREAM_DIST: '1' }, 'examples/train-in-browser')
step('conformance of wasm', [
  'tsx',
  '--conditions=@clipgstream/source',
  'tools/conformance/run.ts',
  '--device',
  'wasm',
  '--size',
  'small',
])

const webgpu = await findSoftwareAdapter()
if (webgpu === undefined) {
  step('conformance of webgpu', [
    'tsx',
    '--conditions=@clipgstream/source',
    'tools/conformance/run.ts',
    '--device',
    'webgpu:swiftshader',
    '--size',
    'small',
  ])
} else {
  console.log(`\nWEBGPU WAS SKIPPED, its tests too: ${webgpu}`)
  if (process.env['CLIPGSTREAM_REQUIRE_WEBGPU'] === '1') broken = true
}

rmSync(reports, { recursive: true, force: true })
if (broken && totals.failed === 0) console.log('\nsome steps failed, see above')
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
process.exit(broken || totals.failed > 0 ? 1 : 0)
