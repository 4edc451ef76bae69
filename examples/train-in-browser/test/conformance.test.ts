import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableOf } from '../../../tools/conformance/table.js'
import type { Report } from '../src/conformance/main.js'
import { artifacts, openSite, type Site, whyNoBrowser } from './browser.js'

describe.skipIf(whyNoBrowser() !== null)('conformance in a page', () => {
  let site: Site
  beforeAll(async () => {
    site = await openSite()
  })
  afterAll(async () => {
    await site?.[Symbol.asyncDispose]()
  })

  it('agrees with WebAssembly on the small cases of every operator', { timeout: 300_000 }, async () => {
    const page = await site.browser.newPage()
    await page.goto(`${site.url}conformance.html?device=webgpu:swiftshader`)
    await page.waitForFunction(() => window.report, undefined, { timeout: 290_000, polling: 500 })
    const report = await page.evaluate(() => window.report)
    if (!report || 'problem' in report) throw new Error(report?.problem ?? 'there is no report')
    writeFileSync(`${artifacts}conformance.json`, `${JSON.stringify(report, null, 2)}\n`)
    console.log(textOf(report, await site.browser.version()))
    expect(report.rows.filter(({ passed }) => !passed)).toEqual([])
    expect(report.missing).toEqual([])
    // One operator at least of each package that has kernels for WebGPU.
    const operators = new Set(report.rows.map(({ operator }) => operator.split('.')[0]))
    expect([...operators].sort()).toMatchInlineSnapshot(`
      [
        "adam",
        "decoders",
        "gaussians",
        "hashgrid",
        "losses",
        "rasterizer",
        "stereo",
        "tensor",
      ]
    `)
  })
})

function textOf({ device, rows, missing }: Report, version: string): string {
  const without = missing.map((one) => `no kernels: ${one}`)
  return [`Chromium ${version}, ${device}`, ...tableOf(rows), ...without].join('\n')
}
