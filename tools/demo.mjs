// `npm run demo`: trains the bundled sample with the best device, renders the test views and an orbit, measures them,
// and writes videos and a report. Everything goes through the command line program, as a user would do it.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const cli = join(root, 'packages', 'cli', 'dist', 'main.js')
const dataset = join('samples', 'court-mini')
const run = join('runs', 'demo')

/** @param {readonly string[]} args */
function clipgstream(...args) {
  console.log(`\n$ clipgstream ${args.join(' ')}`)
  const { status } = spawnSync(process.execPath, [cli, ...args], { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

const started = Date.now()
rmSync(join(root, run), { recursive: true, force: true })
clipgstream('train', dataset, run, '--preset', 'mini')
clipgstream('render', run)
clipgstream('eval', run, dataset)
clipgstream('render', run, '--path', 'orbit', '--steps', '60')
clipgstream('video', run)

const at = (/** @type {string[]} */ ...path) => join(root, run, ...path)
console.log(`
done in ${Math.round((Date.now() - started) / 1000)} s

  clip stream   ${at()}
  test views    ${at('test', 'renders')}
  metrics       ${at('test', 'summary.json')}, ${at('test')}/<view>.csv
  report        ${at('test', 'report.html')}
  videos        ${at('test', 'videos')}`)
