// Compiles the kernels of a package: kernels/*.wasm.ts to dist/kernels/*.wasm here, CUDA by
// ./nvcc.mjs, WGSL by ./wgsl.mjs.
//
// All kernel modules of a process live in one shared memory that the tensor runtime hands out, so a module must bring
// no static data (its data segments would overwrite each other's at address 1024) and must not grow memory itself.

import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'
import { buildCuda } from './nvcc.mjs'
import { buildWgsl } from './wgsl.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const dataSection = 11

const flags = [
  ...['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--sharedMemory'],
  ...['--initialMemory', '1', '--maximumMemory', '65536'],
  ...['--enable', 'simd', '--enable', 'threads', '--enable', 'bulk-memory'],
]

/** Names of the top-level sections of a WebAssembly module that hold static data. */
function hasData(bytes) {
  let at = 8
  while (at < bytes.length) {
    const id = bytes[at++]
    let size = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]
      size |= (byte & 127) << shift
      if (byte < 128) break
    }
    if (id === dataSection && bytes[at] !== 0) return true
    at += size
  }
  return false
}

/** @param {string} packageDir absolute path of the package */
export async function buildKernels(packageDir) {
  await Promise.all([buildWasm(packageDir), buildCuda(packageDir), buildWgsl(packageDir)])
}

/** @param {string} packageDir */
async function buildWasm(packageDir) {
  const from = join(packageDir, 'kernels')
  if (!existsSync(from)) return
  const names = (await readdir(from)).filter((name) => name.endsWith('.wasm.ts'))
  if (names.length === 0) return
  const out = join(packageDir, 'dist', 'kernels')
  await mkdir(out, { recursive: true })
  for (const name of names) {
    const source = relative(root, join(from, name))
    const target = join(out, name.replace(/\.wasm\.ts$/, '.wasm'))
    const args = [source, '--baseDir', root, '--outFile', relative(root, target), ...flags]
    const { error, stderr } = await asc.main(args)
    const messages = stderr.toString()
    if (messages) process.stderr.write(messages)
    if (error) throw new Error(`${source}: ${error.message}`)
    if (hasData(await readFile(target))) {
      throw new Error(
        `${source}: the kernel has static data (a string, a static array or Math.* tables); pass tables as tensors`,
      )
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildKernels(process.cwd())
