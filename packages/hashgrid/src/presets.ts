import { createRandom } from '@clipgstream/tensor'
import type { HashGridConfig } from './contract.js'
import { gridLayout } from './layout.js'

/**
 * The grid of the original ClipGStream: 16 levels of 4 features, 16 vertices an axis at level 0, doubled from level to
 * level in space and time. It was trained with log2TableSize 17, 19 or 20. Checkpoints made with tiny-cuda-nn before
 * June 2025 need `wrapping`.
 */
export function originalGrid(log2TableSize: number, indexing: HashGridConfig['indexing'] = 'exact'): HashGridConfig {
  return { levels: 16, features: 4, log2TableSize, baseResolution: 16, growth: 2, indexing }
}

/** A fresh table // [E, F], uniform in (-1e-4, 1e-4), the same for the same seed. */
export function initializeTable(config: HashGridConfig, seed: number): Float32Array<ArrayBuffer> {
  const random = createRandom(seed)
  const table = new Float32Array(gridLayout(config).entries * config.features)
  for (let i = 0; i < table.length; i++) table[i] = (random.uniform() * 2 - 1) * 1e-4
  return table
}
