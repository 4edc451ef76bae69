import { zipFolder } from '@clipgstream/io'
import { selectDevice } from '@clipgstream/tensor'
import { openClipStream } from '@clipgstream/trainer'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { artifacts, openSite, type Site, whyNoBrowser } from './browser.js'
import {
  canvasOf,
  downloadOf,
  dragCanvas,
  openPage,
  type Picture,
  photograph,
  psnr,
  waitForDrawing,
  waitForState,
} from './page.js'

const camera = 'view001'
const steps = 80

describe.skipIf(whyNoBrowser() !== null)('training in a page', () => {
  let site: Site
  beforeAll(async () => {
    site = await openSite()
  })
  afterAll(async () => {
    await site?.[Symbol.asyncDispose]()
  })

  it('trains on WebGPU, is watched from everywhere meanwhile, and gives a clip stream away', async () => {
    const page = await openPage(site, 'webgpu:swiftshader', [`optimizer.iterations=${steps}`])
    const started = performance.now()
    await page.click('#start')
    await waitForDrawing(page)
    const compiled = performance.now()
    await page.selectOption('#camera', camera)
    await waitForDrawing(page)
    await pause(page)
    const first = await canvasOf(page)
    const target = await photograph(`frame000000/images/${camera}.jpg`, first)
    await page.screenshot({ path: `${artifacts}start.png` })
    expect(brightness(first)).toBeGreaterThan(10)
    const resumed = performance.now()
    const from = await iterationOf(page)
    await page.click('#pause')

    await waitForDrawing(page, 10)
    await dragCanvas(page, 180, 30)
    await waitForDrawing(page)
    expect(await page.evaluate(() => document.body.dataset['state'])).toBe('running')
    await pause(page)
    const rate = (1000 * ((await iterationOf(page)) - from)) / (performance.now() - resumed)
    const turned = await canvasOf(page)
    expect(psnr(turned, first)).toBeLessThan(30)
    const reached = await iterationOf(page)
    await dragCanvas(page, 120, -20)
    await waitForDrawing(page)
    expect(psnr(await canvasOf(page), turned)).toBeLessThan(35)
    expect(await iterationOf(page)).toBe(reached)
    await page.click('#pause')

    await waitForState(page, 'done')
    await waitForDrawing(page, Number.POSITIVE_INFINITY)
    console.log(
      `SwiftShader: first picture after ${((compiled - started) / 1000).toFixed(1)} s, ` +
        `then ${rate.toFixed(2)} steps/s with a drawing every 5`,
    )
    await page.selectOption('#camera', camera)
    await waitForDrawing(page)
    const last = await canvasOf(page)
    await page.screenshot({ path: `${artifacts}end.png` })
    const [before, after] = [psnr(first, target), psnr(last, target)]
    console.log(`PSNR of ${camera}: ${before.toFixed(2)} dB at the start, ${after.toFixed(2)} dB after ${steps} steps`)
    expect(after).toBeGreaterThan(before + 1)

    const run = await zipFolder(await downloadOf(page))
    using device = await selectDevice('wasm', { threads: 2 })
    using player = await openClipStream(run, device)
    const view = player.manifest.data.cameras.find(({ name }) => name === camera)?.view
    if (!view) throw new Error(`the clip stream has no camera ${camera}`)
    using rendered = await player.render(view, 0)
    const { width, height } = last
    const data = Uint8Array.from(await rendered.image.read(), (value) => 255 * Math.min(1, Math.max(0, value)) + 0.5)
    expect(psnr({ width, height, data }, last)).toBeGreaterThan(45)
    await page.close()
  })

  it('trains on WebAssembly with threads in an isolated page; stops and goes on', async () => {
    const page = await openPage(site, 'wasm', ['optimizer.iterations=400'])
    await page.click('#start')
    await waitForDrawing(page, 10)
    expect(await page.textContent('#device')).toMatch(/^wasm \(\d+ threads\): shared memory$/)
    await page.click('#stop')
    await waitForState(page, 'stopped')
    expect(await page.textContent('#status')).toMatch(/Stopped after \d+ steps of clip 0/)
    const kept = await zipFolder(await downloadOf(page))
    expect(await kept.exists('checkpoints/00000.safetensors')).toBe(true)
    await page.click('#start')
    await waitForState(page, 'done')
    await waitForDrawing(page, Number.POSITIVE_INFINITY)
    await page.selectOption('#camera', camera)
    await waitForDrawing(page)
    const last = await canvasOf(page)
    const target = await photograph(`frame000000/images/${camera}.jpg`, last)
    expect(psnr(last, target)).toBeGreaterThan(19)
    await page.close()
  })

  it('tells of a lost device, and goes on from the checkpoint on another', async () => {
    const page = await openPage(site, 'webgpu:swiftshader', ['optimizer.iterations=30', 'checkpointing.every=5'])
    await page.click('#start')
    await waitForDrawing(page, 10)
    await site.crashGpu()
    await page.waitForSelector('#problem:not([hidden])')
    expect(await page.textContent('#problem')).toMatch(/SwiftShader\) was lost: .*The state after \d+ steps is kept/s)
    const kept = await zipFolder(await downloadOf(page))
    expect(await kept.exists('checkpoints/00000.safetensors')).toBe(true)
    await page.click('#start')
    await waitForState(page, 'done')
    await waitForDrawing(page, Number.POSITIVE_INFINITY)
    expect(brightness(await canvasOf(page))).toBeGreaterThan(10)
    await page.close()
  })

  it('says in words that there is no hardware adapter', async () => {
    const page = await openPage(site, 'webgpu', [])
    await page.click('#start')
    await page.waitForSelector('#problem:not([hidden])')
    expect(await page.textContent('#problem')).toContain('the only adapter is software')
    await page.close()
  })

  it('says in words what is wrong with a setting', async () => {
    const page = await openPage(site, 'wasm', ['optimizer.iteration=5'])
    await page.click('#start')
    await page.waitForSelector('#problem:not([hidden])')
    expect(await page.textContent('#problem')).toContain('optimizer.iterations')
    await page.close()
  })
})

async function pause(page: Page): Promise<void> {
  await page.click('#pause')
  await waitForState(page, 'paused')
  await waitForDrawing(page)
}

async function iterationOf(page: Page): Promise<number> {
  return Number(await page.getAttribute('#stage', 'data-iteration'))
}

function brightness({ data }: Picture): number {
  return data.reduce((sum, value) => sum + value, 0) / data.length
}
