// The tool that compiles CUDA, over an nvcc that only writes down how it was called.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { buildCuda } from '../../../tools/nvcc.mjs'

const nvcc = `#!/bin/sh
if [ "$1" = --version ]; then echo "Cuda compilation tools, release 13.7, V13.7.1"; exit; fi
echo "$@" >> "$NVCC_LOG"
while [ $# -gt 0 ]; do
  if [ "$1" = -o ]; then echo compiled > "$2"; fi
  case "$1" in *broken.cu) echo "broken.cu(1): error"; exit 1;; esac
  shift
done
`

let folder: string
let calls: () => string[]
let build: () => Promise<void>

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clipgstream-nvcc-'))
  for (const name of ['bin', 'kernels', 'native']) mkdirSync(join(folder, name))
  writeFileSync(join(folder, 'bin', 'nvcc'), nvcc)
  chmodSync(join(folder, 'bin', 'nvcc'), 0o755)
  writeFileSync(join(folder, 'kernels', 'one.cu'), '// one')
  writeFileSync(join(folder, 'kernels', 'own.cuh'), '// header')
  writeFileSync(join(folder, 'native', 'cuda.cu'), '// native')
  const log = join(folder, 'log')
  calls = () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [])
  build = () => buildCuda(folder, join(folder, 'cache'))
  vi.stubEnv('PATH', `${join(folder, 'bin')}:/usr/bin:/bin`)
  vi.stubEnv('NVCC_LOG', log)
  vi.stubEnv('CUDA_HOME', join(folder, 'nowhere'))
  vi.stubEnv('CLIPGSTREAM_CUDA_ARCHS', undefined)
  vi.stubEnv('NX_TASK_TARGET_PROJECT', undefined)
})

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

it('compiles kernels and libraries for every architecture', async () => {
  await build()
  expect(readFileSync(join(folder, 'dist/kernels/one.fatbin'), 'utf8')).toBe('compiled\n')
  expect(readFileSync(join(folder, 'dist/native/libclipgstream_cuda.so'), 'utf8')).toBe('compiled\n')
  expect(readFileSync(join(folder, 'dist/kernels/cuda.json'), 'utf8')).toBe('{"toolkit":"13.7"}\n')
  const [kernel = '', library = ''] = calls()
  expect(kernel).toContain('-fatbin')
  for (const arch of [75, 80, 86, 89, 90, 100, 120]) expect(kernel).toContain(`code=sm_${arch}`)
  expect(kernel).toContain('arch=compute_100,code=compute_100')
  expect(kernel).toMatch(/-I \S+tensor.kernels/)
  expect(library).toContain('-shared -cudart static')
})

it('compiles again only what changed', async () => {
  await build()
  await build()
  expect(calls().length).toBe(2)
  writeFileSync(join(folder, 'kernels', 'one.cu'), '// another')
  await build()
  expect(calls().length).toBe(3)
  writeFileSync(join(folder, 'kernels', 'own.cuh'), '// another header')
  await build()
  expect(calls().length).toBe(4)
  vi.stubEnv('CLIPGSTREAM_CUDA_ARCHS', '90 80')
  await build()
  expect(calls().length).toBe(6)
  expect(calls().at(-1)).toContain('code=sm_90 -gencode arch=compute_80,code=sm_80')
  expect(calls().at(-1)).not.toContain('sm_75')
})

it('fails on a kernel that does not compile, with what nvcc said', async () => {
  writeFileSync(join(folder, 'kernels', 'broken.cu'), '// broken')
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  await expect(build()).rejects.toThrow(/broken\.cu: nvcc failed/)
  expect(String(said.mock.calls[0]?.[0])).toContain('broken.cu(1): error')
  expect(existsSync(join(folder, 'dist/kernels/broken.fatbin'))).toBe(false)
})

it('goes on without nvcc and says so, in a build of all packages once', async () => {
  vi.stubEnv('PATH', '/usr/bin:/bin')
  const said = vi.spyOn(console, 'warn').mockReturnValue()
  await build()
  expect(said.mock.calls).toEqual([['nvcc was not found: CUDA kernels are not built, and the cuda device will say so']])
  vi.stubEnv('NX_TASK_TARGET_PROJECT', '@clipgstream/hashgrid')
  await build()
  expect(said).toHaveBeenCalledTimes(1)
  expect(existsSync(join(folder, 'dist'))).toBe(false)
})

it('does nothing for a package without CUDA', async () => {
  rmSync(join(folder, 'kernels'), { recursive: true })
  rmSync(join(folder, 'native'), { recursive: true })
  await build()
  expect(calls()).toEqual([])
})
