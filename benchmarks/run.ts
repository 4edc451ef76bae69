// `pnpm bench [NAME ...] [--quick] [--json FILE]` runs the benchmarks whose file name starts with a NAME, or all. `--quick`
// takes one round of each: it shows that they work, its figures are worth little.
import { execFileSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { Benchmark, Effort, Row } from './bench.js'

const { values, positionals } = parseArgs({
  options: { json: { type: 'string' }, quick: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const effort: Effort = values.quick ? { rounds: 1, warmUp: 1 } : { rounds: 7, warmUp: 2 }
const folder = fileURLToPath(new URL('.', import.meta.url))
const files = readdirSync(folder).filter(
  (file) =>
    file.endsWith('.bench.ts') && (positionals.length === 0 || positionals.some((name) => file.startsWith(name))),
)
if (files.length === 0) throw new Error(`no benchmark is called ${positionals.join(' or ')}`)

const commit =
  process.env['CLIPGSTREAM_COMMIT'] ??
  execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: folder, encoding: 'utf8' }).trim()
const machine = `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} threads, Node ${process.versions.node}`
console.log(`commit ${commit}; ${machine}`)

const results: { name: string; description: string; rows: Row[] }[] = []
for (const file of files.sort()) {
  const { benchmark } = (await import(pathToFileURL(folder + file).href)) as { benchmark: Benchmark }
  console.log(`\n## ${benchmark.name}\n${benchmark.description}\n`)
  try {
    const rows = await benchmark.run(effort)
    for (const { what, value, unit, ratios = {} } of rows) {
      const rivals = Object.entries(ratios).map(([rival, ratio]) => `${ratio.toFixed(2)}x ${rival}`)
      console.log(`| ${what} | ${Number(value.toPrecision(4))} ${unit} | ${rivals.join(', ')} |`)
    }
    results.push({ name: benchmark.name, description: benchmark.description, rows })
  } catch (error) {
    console.error(error)
    process.exitCode = 1
  }
}
if (values.json) writeFileSync(values.json, `${JSON.stringify({ commit, machine, results }, null, 2)}\n`)
