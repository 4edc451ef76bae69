// What `npm run demo` and `npm test` do on a machine that has only Node and npm: fetch pnpm, install, build, run.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const pnpm = 'pnpm@12.21.0'
const scripts = { demo: 'tools/demo.mjs', test: 'tools/test.mjs' }

/**
 * @param {string} command
 * @param {readonly string[]} args
 */
function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (error) console.error(`${command} could not be started: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

const [task, ...rest] = process.argv.slice(2)
const script = task === 'demo' || task === 'test' ? scripts[task] : undefined
if (!script) {
  console.error(`usage: node tools/bootstrap.mjs ${Object.keys(scripts).join('|')}`)
  process.exit(2)
}
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 11)) {
  console.error(`Node 20.11 or newer is needed, this is ${process.versions.node}`)
  process.exit(1)
}
run('npx', ['--yes', pnpm, 'install', '--frozen-lockfile'])
run('npx', ['--yes', pnpm, 'exec', 'nx', 'run-many', '-t', 'build', '--output-style=stream'])
run(process.execPath, [script, ...rest])
