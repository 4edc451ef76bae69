// `pnpm conformance --device wasm|webgpu|webgpu:swiftshader|cuda [--size small|full] [--operator NAME] [--json FILE]`
//
// Runs the seeded cases of every operator. The wasm device is compared with the float64 oracles of the small cases and,
// for full ones, with itself on one thread (which must give equal bytes); other devices are compared with wasm. A case that
// the device has no kernels for is listed and fails. A software adapter takes small cases alone.
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { type Device, isDeviceName, selectDevice } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import type { ConformanceCase } from './case.js'
import { type Row, runCase, tableOf } from './table.js'

const { values: options } = parseArgs({
  options: {
    device: { type: 'string', default: 'wasm' },
    size: { type: 'string' },
    operator: { type: 'string' },
    json: { type: 'string' },
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
  const outcome = await runCase(one, device, single)
  rows.push(...outcome.rows)
  if (outcome.missing !== null) missing.push(outcome.missing)
}

for (const line of tableOf(rows)) console.log(line)
const failed = rows.filter((row) => !row.passed)
console.log(
  `\n${device.label}: ${chosen.length} cases, ${rows.length} outputs, ${failed.length} outside of their tolerance`,
)
for (const one of missing) console.log(`MISSING ${one}`)
if (options.json) writeFileSync(options.json, `${JSON.stringify({ device: device.label, rows, missing }, null, 2)}\n`)
process.exitCode = failed.length + missing.length > 0 ? 1 : 0
