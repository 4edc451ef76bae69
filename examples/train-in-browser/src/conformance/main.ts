// Runs the seeded cases of every operator that a software adapter bears, on a WebGPU device of this page against the
// WebAssembly device of this page: `conformance.html?device=webgpu:swiftshader&operator=losses`.
import { type DeviceName, isDeviceName, selectDevice } from '@clipgstream/tensor'
import type { ConformanceCase } from '../../../../tools/conformance/case.js'
import { type Row, runCase, tableOf } from '../../../../tools/conformance/table.js'
import { byId } from '../page/elements.js'

export interface Report {
  device: string
  rows: Row[]
  missing: string[]
}

declare global {
  interface Window {
    /** What came out, when it is all there. */
    report?: Report | { problem: string }
  }
}

const modules = import.meta.glob<{ cases: ConformanceCase[] }>('../../../../packages/*/test/conformance.ts')
const params = new URLSearchParams(location.search)
const status = byId('status', HTMLParagraphElement)

try {
  window.report = await conform(deviceOf(params.get('device') ?? 'webgpu'), params.get('operator') ?? '')
} catch (error) {
  const problem = error instanceof Error ? error.message : String(error)
  status.textContent = problem
  window.report = { problem }
}

async function conform(name: DeviceName, operator: string): Promise<Report> {
  using device = await selectDevice(name)
  using reference = await selectDevice('wasm', { threads: 1 })
  const report: Report = { device: device.label, rows: [], missing: [] }
  const loaded = await Promise.all(
    Object.keys(modules)
      .sort()
      .map((path) => modules[path]?.()),
  )
  const cases = loaded
    .flatMap((module) => module?.cases ?? [])
    .filter((one) => one.size === 'small' && one.operator.startsWith(operator))
  for (const [index, one] of cases.entries()) {
    status.textContent = `${device.label}: ${index + 1} of ${cases.length}, ${one.operator} (${one.name})`
    const { rows, missing } = await runCase(one, device, reference)
    report.rows.push(...rows)
    if (missing !== null) report.missing.push(missing)
    byId('table', HTMLPreElement).textContent = tableOf(report.rows).join('\n')
  }
  const failed = report.rows.filter(({ passed }) => !passed).length
  status.textContent = `${device.label}: ${report.rows.length} outputs, ${failed} outside of their tolerance, ${report.missing.length} cases without kernels`
  return report
}

function deviceOf(name: string): DeviceName {
  if (!isDeviceName(name)) throw new Error(`there is no device ${name}`)
  return name
}
