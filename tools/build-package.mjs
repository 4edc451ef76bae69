// Builds the package in the working directory: AssemblyScript kernels into dist/kernels, then TypeScript into dist.

import { spawnSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { buildKernels } from './build-kernels.mjs'

await rm('dist', { recursive: true, force: true })
await buildKernels(process.cwd())
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
process.exit(status ?? 1)
