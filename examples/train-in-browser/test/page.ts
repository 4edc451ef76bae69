import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import type { Site } from './browser.js'

/** Small enough for SwiftShader: 80x45 pixels, 400 anchors, narrow layers. */
const tiny = [
  ...['sampling.downsample=2', 'grid.levels=4', 'grid.log2TableSize=10', 'field.hidden=16', 'field.features=8'],
  ...['decoders.staticFeatures=8', 'decoders.gaussiansPerAnchor=2', 'decoders.hidden.opacity=16'],
  ...['decoders.hidden.cov=16', 'decoders.hidden.color=16', 'decoders.hidden.offset=16'],
  ...['checkpointing.logEvery=5', 'checkpointing.evaluateAt=[]'],
]

/** The page with the tiny configuration; what it says on its console ends the test. */
export async function openPage(site: Site, device: string, settings: readonly string[]): Promise<Page> {
  const page = await site.browser.newPage({ viewport: { width: 1200, height: 720 } })
  page.on('pageerror', (error) => {
    throw error
  })
  const params = new URLSearchParams({ device, preset: 'mini', clips: '0', points: '400', every: '5' })
  for (const set of [...tiny, ...settings]) params.append('set', set)
  await page.goto(`${site.url}?${params}`)
  return page
}

export type PageState = 'idle' | 'running' | 'paused' | 'stopped' | 'done'

/** Waits for a state; a problem that the page tells is an error, unless it is what is waited for. */
export async function waitForState(page: Page, wanted: PageState): Promise<void> {
  await page.waitForFunction(
    (state) => document.body.dataset['state'] === state || document.querySelector('#problem:not([hidden])'),
    wanted,
    { timeout: 100_000, polling: 100 },
  )
  const state = await page.evaluate(() => document.body.dataset['state'])
  if (state !== wanted) throw new Error(`the page is ${state}: ${await page.textContent('#problem')}`)
}

/** Waits until what was last asked for is on the canvas, and at least `iteration` steps are done. */
export async function waitForDrawing(page: Page, iteration = 0): Promise<void> {
  await page.waitForFunction(
    (least) => {
      const { look, drawn, iteration: done = '-1' } = document.querySelector<HTMLElement>('#stage')?.dataset ?? {}
      const there = look !== undefined && look === drawn && (done === 'end' || Number(done) >= least)
      return there || document.querySelector('#problem:not([hidden])')
    },
    iteration,
    { timeout: 100_000, polling: 50 },
  )
  const problem = await page.textContent('#problem')
  if (problem) throw new Error(`the page says: ${problem}`)
}

export interface Picture {
  width: number
  height: number
  /** [height, width, 3] */
  data: Uint8Array
}

/** What the canvas shows, pixel by pixel, when it has reached the screen, which may be some frames after it was drawn. */
export async function canvasOf(page: Page): Promise<Picture> {
  let agreement = 0
  for (let attempt = 0; attempt < 40; attempt++) {
    const picture = await pixelsOf(page)
    agreement = psnr(picture, await screenshotOf(page, picture))
    if (agreement > 28) return picture
    await page.waitForTimeout(50)
  }
  throw new Error(`the screen does not show what the canvas holds: ${agreement} dB`)
}

async function pixelsOf(page: Page): Promise<Picture> {
  const { width, height, rgba } = await page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('#stage canvas')
    if (!canvas) throw new Error('there is no canvas')
    const { width, height } = canvas
    const context = new OffscreenCanvas(width, height).getContext('2d')
    if (!context) throw new Error('there is no context')
    context.drawImage(canvas, 0, 0)
    return { width, height, rgba: Array.from(context.getImageData(0, 0, width, height).data) }
  })
  return { width, height, data: Uint8Array.from(rgba.filter((_, i) => i % 4 !== 3)) }
}

/** What people see of the canvas, at the size of its pixels. */
async function screenshotOf(page: Page, { width, height }: Picture): Promise<Picture> {
  const png = await page.locator('#stage canvas').screenshot()
  const data = await sharp(png).removeAlpha().resize(width, height, { fit: 'fill' }).raw().toBuffer()
  return { width, height, data: new Uint8Array(data) }
}

export async function photograph(path: string, { width, height }: Picture): Promise<Picture> {
  const bytes = await readFile(new URL(`../../../samples/court-mini/${path}`, import.meta.url))
  const data = await sharp(bytes).removeAlpha().resize(width, height, { fit: 'fill' }).raw().toBuffer()
  return { width, height, data: new Uint8Array(data) }
}

export function psnr(a: Picture, b: Picture): number {
  if (a.data.length !== b.data.length) throw new Error('pictures of different sizes')
  const error = a.data.reduce((sum, value, i) => sum + ((value - (b.data[i] ?? 0)) / 255) ** 2, 0) / a.data.length
  return -10 * Math.log10(Math.max(error, 1e-10))
}

/** Turns the camera by dragging over the canvas. */
export async function dragCanvas(page: Page, x: number, y: number): Promise<void> {
  const box = await page.locator('#stage canvas').boundingBox()
  if (!box) throw new Error('the canvas is not on the page')
  const [left, top] = [box.x + box.width / 2, box.y + box.height / 2]
  await page.mouse.move(left, top)
  await page.mouse.down()
  await page.mouse.move(left + x, top + y, { steps: 4 })
  await page.mouse.up()
}

/** What the page offers for download, as files by path. */
export async function downloadOf(page: Page): Promise<Uint8Array> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save')])
  return new Uint8Array(await readFile(await download.path()))
}
