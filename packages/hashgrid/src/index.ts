export type { GridLayout, GridLevel, HashGrid, HashGridConfig, HashGridInputs, HashGridOptions } from './contract.js'
export { createHashGrid } from './create.js'
export { gridLayout } from './layout.js'
export { initializeTable, originalGrid } from './presets.js'
