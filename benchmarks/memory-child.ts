// Trains clips of a dataset and tells the parent what memory it took: `memory-child.ts DATASET RUN STEPS CLIP...`.
import { createImageStore, openDataset } from '@clipgstream/io'
import { createNodeDecoder, nodeFolder } from '@clipgstream/io/node'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { datasetOptions, resolveConfig, train, trainingData } from '@clipgstream/trainer'
import { openRunFolder } from '@clipgstream/trainer/node'
import type { MemoryReport } from './memory.bench.js'

const [path = '', folder = '', steps = '', ...clips] = process.argv.slice(2)
const config = resolveConfig({
  preset: 'mini',
  overrides: {
    optimizer: { iterations: Number(steps) },
    sampling: { downsample: 4 },
    checkpointing: { every: null, logEvery: Number(steps), evaluateAt: [] },
  },
})
const dataset = await openDataset(nodeFolder(path), datasetOptions(config))
const data = await trainingData(dataset, createImageStore(dataset, createNodeDecoder()), config)
const report: MemoryReport = { maxRss: 0, devicePeaks: [], anchors: [] }
using device = await createWasmDevice()
const run = await openRunFolder(folder)
for await (const event of train({ data, device, run, config, clips: clips.map(Number) })) {
  if (event.type === 'clip-start') report.anchors.push(event.anchors.inherited + event.anchors.own)
  if (event.type === 'clip-end') report.devicePeaks.push(event.peakBytes)
}
report.maxRss = process.resourceUsage().maxRSS * 1024
process.send?.(report)
