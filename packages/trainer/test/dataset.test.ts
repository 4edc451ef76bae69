import { fileURLToPath } from 'node:url'
import { createImageStore, openDataset } from '@clipgstream/io'
import { createNodeDecoder, nodeFolder } from '@clipgstream/io/node'
import { datasetOptions, preset, trainingData } from '@clipgstream/trainer'
import { describe, expect, it } from 'vitest'

const sample = nodeFolder(fileURLToPath(new URL('../../../samples/court-mini', import.meta.url)))

async function open(name: 'default' | 'parity', downsample = 1) {
  const config = preset(name)
  config.sampling.downsample = downsample
  const dataset = await openDataset(sample, datasetOptions(config))
  return trainingData(dataset, createImageStore(dataset, createNodeDecoder()), config)
}

describe('the bundled sample', () => {
  it('becomes training data', async () => {
    const data = await open('default')
    expect(data.cameras.filter(({ test }) => test).map(({ name }) => name)).toEqual(['view000', 'view008'])
    expect(data.clips).toEqual([
      { index: 0, start: 0, end: 10 },
      { index: 1, start: 10, end: 20 },
    ])
    expect((await data.cloud(0))?.length).toBe(3 * 7500)
    expect((await data.cloud(1))?.length).toBe(3 * 1746)
    expect(await data.image(3, 7)).toHaveLength(160 * 90 * 3)
    expect(data.cameras[0]!.view.fx).toBeCloseTo(128.014069, 6)
    expect(data.fingerprint).toMatch(/^[0-9a-f]{64}$/)
    expect((await open('default')).fingerprint).toBe(data.fingerprint)
  })

  it('is read smaller, or with the original camera rules', async () => {
    const half = await open('default', 2)
    expect(half.cameras[0]!.view).toMatchObject({ width: 80, height: 45 })
    expect(await half.image(0, 0)).toHaveLength(80 * 45 * 3)
    const parity = await open('parity')
    expect(parity.cameras[0]!.view).toMatchObject({ fx: 128, fy: 128, cx: 80, cy: 45 })
    expect(parity.fingerprint).not.toBe(half.fingerprint)
  })
})
