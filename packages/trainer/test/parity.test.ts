import { createWasmDevice } from '@clipgstream/tensor/wasm'
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
