// `tsx --conditions=@clipgstream/source benchmarks/parity.ts [--json FILE]` imports a checkpoint that the original trained
// and compares every operator, and the whole image, with what the original computed. Prints a Markdown table.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { compareWithOriginal, type ParityRow } from '../packages/trainer/test/original.js'
import { fixture } from '../tools/fixtures.js'

const { values: options } = parseArgs({ options: { json: { type: 'string' } } })
const checkpoint = fixture('fixtures/reference-checkpoint')
const dataset = fixture('datasets/panoptic-basketball')
if (!checkpoint || !dataset) process.exit(2)

using device = await createWasmDevice()
const report = await compareWithOriginal(device, checkpoint, dataset)

// One line an operator: the worst of all views.
const worst = new Map<string, ParityRow>()
for (const row of report.rows) {
  const known = worst.get(row.operator)
  worst.set(row.operator, {
    ...row,
    largest: Math.max(row.largest, known?.largest ?? 0),
    mean: Math.max(row.mean, known?.mean ?? 0),
    passed: row.passed && (known?.passed ?? true),
  })
}
console.log('| operator | values a view | largest difference | mean | tolerance | |')
console.log('|---|---|---|---|---|---|')
for (const { operator, values, largest, mean, tolerance, passed } of worst.values())
  console.log(
    `| ${operator} | ${values} | ${largest.toExponential(1)} | ${mean.toExponential(1)} | ${tolerance} | ${passed ? 'ok' : 'FAILED'} |`,
  )
console.log('\n| view | PSNR, ours | PSNR, original | PSNR of ours against the original |')
console.log('|---|---|---|---|')
for (const { view, psnr, originalPsnr, psnrToOriginal } of report.views)
  console.log(`| ${view} | ${psnr.toFixed(3)} | ${originalPsnr.toFixed(3)} | ${psnrToOriginal.toFixed(1)} |`)
if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
process.exitCode = report.rows.every(({ passed }) => passed) ? 0 : 1
