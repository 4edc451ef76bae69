export type { View } from './view.js'
