// All packages in one run; `nx test PACKAGE` runs one.
import { defineConfig } from 'vitest/config'

export default defineConfig({ test: { projects: ['packages/*'], maxWorkers: 2 } })
