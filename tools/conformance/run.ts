// `pnpm conformance --device wasm|webgpu|webgpu:swiftshader|cuda [--size small|full] [--operator NAME] [--json FILE]
// [--allow-missing]`
//
// Runs the seeded cases of every operator. The wasm device is compared with the float64 oracles of the small cases and,
// for full ones, with itself on one thread (which must give equal bytes); other devices are compared with wasm. A case that
// the device has no kernels for fails, or with `--allow-missing` is only listed. A software adapter takes small cases alone.
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { type Device, DeviceUnavailableError, isDeviceName, selectDevice } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import { type ConformanceCase, compare, type Difference } from './case.js'

interface Row extends Difference {
  operator: string
  case: string
  against: string
  milliseconds: number
}

const { values: options } = parseArgs({
  options: {
    device: { type: 'string', default: 'wasm' },
    size: { type: 'string' },
    operator: { type: 'string' },
    json: { type: 'string' },
    'allow-missing': { type: 'boolean', default: false },
  },
})

const packages = fileURLToPath(new URL('../../packages', import.meta.url))
const cases: ConformanceCase[] = []
for (const name of readdirSync(packages).sort()) {
  const file = `${packages}/${name}/test/conformance.ts`
  if (existsSync(file)) cases.push(...((await import(pathToFileURL(file).href)) as { cases: ConformanceCase[] }).cases)
}
if (!isDeviceName(options.device)) throw new Error(`there is no device ${options.device}`)
using device: Device = await selectDevice(options.device)
const size = device instanceof WebgpuDevice && device.software ? 'small' : options.size
if (size !== options.size) console.log(`${device.label} is software: only small cases are run`)
const chosen = cases.filter(
  (c) => (!size || c.size === size) && (!options.operator || c.operator.startsWith(options.operator)),
)
if (chosen.length === 0) throw new Error('no conformance case matches')

using single = await createWasmDevice({ threads: 1 })
const rows: Row[] = []
/** Cases that this device has no kernels for. */
const missing: string[] = []
for (const one of chosen) {
  const started = performance.now()
  const actual = await one.run(device).catch((error: unknown) => {
    if (!(error instanceof DeviceUnavailableError)) throw error
    missing.push(`${one.operator} (${one.name}): ${error.message}`)
  })
  if (!actual) continue
  const milliseconds = performance.now() - started
  const against = device.kind !== 'wasm' ? 'wasm' : one.oracle ? 'float64' : 'one thread'
  const expected = against === 'float64' && one.oracle ? one.oracle() : await one.run(single)
  const exact = Object.fromEntries(Object.keys(one.tolerance).map((key) => [key, { absolute: 0, relative: 0 }]))
  for (const difference of compare(actual, expected, against === 'one thread' ? exact : one.tolerance)) {
    rows.push({ ...difference, operator: one.operator, case: one.name, against, milliseconds })
  }
}

const header = ['operator', 'case', 'output', 'against', 'max', 'mean', 'outside', 'ms', '']
const table = [header, ...rows.map(cells)]
const widths = header.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
for (const row of table)
  console.log(
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
const failed = rows.filter((row) => !row.passed)
console.log(
  `\n${device.label}: ${chosen.length} cases, ${rows.length} outputs, ${failed.length} outside of their tolerance`,
)
for (const one of missing) console.log(`MISSING ${one}`)
if (options.json) writeFileSync(options.json, `${JSON.stringify({ device: device.label, rows, missing }, null, 2)}\n`)
process.exitCode = failed.length > 0 || (missing.length > 0 && !options['allow-missing']) ? 1 : 0

function cells(row: Row): string[] {
  const number = (value: number) => (Number.isNaN(value) ? 'NaN' : value.toExponential(1))
  const verdict = row.passed ? 'ok' : 'FAILED'
  return [
    row.operator,
    row.case,
    row.output,
    row.against,
    number(row.max),
    number(row.mean),
    String(row.outside),
    row.milliseconds.toFixed(1),
    verdict,
  ]
}
