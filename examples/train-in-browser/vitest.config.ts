import { mergeConfig } from 'vitest/config'
import shared from '../../vitest.shared.ts'

// One browser at a time: the software adapter takes all processors.
export default mergeConfig(shared, { test: { fileParallelism: false } })
