import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { type Shot, writeMoving } from '../../process/test/moving.js'
import { clipgstream } from './clipgstream.js'

const sample = fileURLToPath(new URL('../../../samples/court-mini', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'clipgstream-cli-moving-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => join(folder, name)

it('a camera that moves: from its capture to a model that is drawn and measured at the frames of its test images', async () => {
  const shots: Shot[] = [
    ...Array.from({ length: 8 }, (_, i) => ({ split: 'train' as const, camera: (i * 5) % 12, frame: i })),
    { split: 'test', camera: 4, frame: 2 },
    { split: 'test', camera: 9, frame: 5 },
  ]
  await writeMoving(at('capture'), sample, shots)
  await clipgstream('process', at('capture'), at('dataset'), '--downscale', '4')
  // That shots have an image in one frame only is as it should be.
  const report = JSON.parse(await clipgstream('inspect', at('dataset'), '--report', at('report'), '--json'))
  expect(report.findings.filter(({ severity }: { severity: string }) => severity !== 'note')).toEqual([])
  const options = ['--preset', 'mini', '--iterations', '12', '--threads', '1', '--device', 'wasm']
  await clipgstream('train', at('dataset'), at('run'), ...options)
  const manifest = JSON.parse(readFileSync(join(at('run'), 'clipstream.json'), 'utf8'))
  expect(manifest.clips).toMatchObject([{ start: 0, end: 8 }])
  const frames = Object.fromEntries(
    manifest.data.cameras.map(({ name, frames }: { name: string; frames: number[] }) => [name, frames]),
  )
  expect(frames).toMatchObject({ test_0002: [2], test_0005: [5], train_0000: [0], train_0007: [7] })

  await clipgstream('render', at('run'), '--threads', '1')
  const renders = join(at('run'), 'test', 'renders')
  expect(readdirSync(renders).sort()).toEqual(['test_0002', 'test_0005'])
  expect(readdirSync(join(renders, 'test_0005'))).toEqual(['00005.png'])
  await clipgstream('eval', at('run'), at('dataset'), '--threads', '1')
  const summary = JSON.parse(readFileSync(join(at('run'), 'test', 'summary.json'), 'utf8'))
  expect(summary.average.frames).toBe(2)
  expect(summary.average.values.psnr).toBeGreaterThan(5)
  expect(existsSync(join(at('run'), 'test', 'report.html'))).toBe(true)
})
