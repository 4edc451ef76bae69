import { memoryFolder } from '@clipgstream/io'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { createMemoryRun, importOriginal } from '@clipgstream/trainer'
import { describe, expect, it } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { compareWithOriginal } from './original.js'

const checkpoint = fixture('fixtures/reference-checkpoint')
const dataset = fixture('datasets/panoptic-basketball')

describe.skipIf(!checkpoint || !dataset)('a checkpoint of the original', () => {
  it('imports, and renders as the original does', async () => {
    using device = await createWasmDevice()
    const { rows, views } = await compareWithOriginal(device, checkpoint ?? '', dataset ?? '', [
      'cam10_f02',
      'cam15_f07',
    ])
    expect(rows.filter(({ passed }) => !passed)).toEqual([])
    expect(rows).toHaveLength(18)
    for (const { psnr, originalPsnr, psnrToOriginal } of views) {
      expect(Math.abs(psnr - originalPsnr)).toBeLessThan(0.01)
      expect(psnrToOriginal).toBeGreaterThan(60)
    }
  })
})

describe('importOriginal', () => {
  it('says what is missing', async () => {
    const run = createMemoryRun()
    const attempt = (files: Record<string, string>) => importOriginal(memoryFolder(files), run)
    await expect(attempt({})).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ClipStreamError: clip stream: point/0.ply: is not in memory; the reference clip is needed]`,
    )
    await expect(attempt({ 'point/0.ply': 'ply' })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[FormatError: point/0.ply: header line 1: expected 'ply', got no end of line]`,
    )
    expect(await run.exists('clipstream.json')).toBe(false)
  })
})
