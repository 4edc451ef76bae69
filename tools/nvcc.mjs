// Compiles CUDA: kernels/*.cu of a package to dist/kernels/*.fatbin, native/*.cu to dist/native/libclipgstream_*.so.
//
// What was compiled before from the same sources and flags is taken from a cache beside node_modules, since dist is
// emptied by every build. Run as a program it prints the version of nvcc, which nx takes as an input of every build.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const defaultCache = join(root, 'node_modules', '.cache', 'clipgstream-nvcc')
/** Headers for every package. */
const shared = join(root, 'packages', 'tensor', 'kernels')
const architectures = ['75', '80', '86', '89', '90', '100', '120']
/** Compiled by the driver for whatever comes later. */
const intermediate = '100'

/** `--use_fast_math` is not here: a kernel that can bear an approximation asks for it by name (`__expf`). */
const common = ['-O3', '-std=c++17', '-Werror', 'all-warnings', '-t', '2', '-I', shared]
const kernelFlags = ['-fatbin']
const nativeFlags = [
  ...['-shared', '-cudart', 'static', '-Xcompiler', '-fPIC,-fvisibility=hidden,-static-libgcc,-static-libstdc++'],
  ...['-Xlinker', '--exclude-libs,ALL,-s'],
]

/** @returns {string | undefined} */
function findNvcc() {
  const home = process.env['CUDA_HOME'] ?? '/usr/local/cuda'
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), join(home, 'bin')]
  return folders.map((folder) => join(folder, 'nvcc')).find((file) => existsSync(file))
}

/** @param {string} nvcc */
function versionOf(nvcc) {
  return /release ([\d.]+)/.exec(spawnSync(nvcc, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1] ?? 'unknown'
}

/** `CLIPGSTREAM_CUDA_ARCHS="90"` compiles for that only, which is quick. */
function targets() {
  const only = process.env['CLIPGSTREAM_CUDA_ARCHS']
  if (only) return only.split(/[ ,]+/).flatMap((arch) => ['-gencode', `arch=compute_${arch},code=sm_${arch}`])
  return [
    ...architectures.flatMap((arch) => ['-gencode', `arch=compute_${arch},code=sm_${arch}`]),
    ...['-gencode', `arch=compute_${intermediate},code=compute_${intermediate}`],
  ]
}

/** @param {string} folder */
function headers(folder) {
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter((name) => /\.(cuh|h|hpp)$/.test(name))
  return names.sort().map((name) => readFileSync(join(folder, name), 'utf8'))
}

/**
 * @param {{ nvcc: string, version: string, cache: string }} compiler
 * @param {string} source
 * @param {string} target
 * @param {readonly string[]} own
 */
async function compile({ nvcc, version, cache }, source, target, own) {
  const flags = [...own, ...common, ...targets()]
  const key = createHash('sha256')
  for (const part of [version, flags.join(' '), readFileSync(source, 'utf8')]) key.update(part).update('\0')
  for (const text of [...headers(join(source, '..')), ...headers(shared)]) key.update(text).update('\0')
  const kept = join(cache, key.digest('hex'))
  if (!existsSync(kept)) {
    await mkdir(cache, { recursive: true })
    const fresh = `${kept}.${process.pid}`
    const { status, stdout, stderr, error } = spawnSync(nvcc, [...flags, '-o', fresh, source], { encoding: 'utf8' })
    process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`)
    if (error || status !== 0) throw new Error(`${source}: nvcc failed${error ? `: ${error.message}` : ''}`)
    await rename(fresh, kept)
  }
  await copyFile(kept, target)
}

/**
 * @param {string} folder
 * @param {string} ending
 */
async function sources(folder, ending) {
  return existsSync(folder) ? (await readdir(folder)).filter((name) => name.endsWith(ending)).sort() : []
}

/** @param {string} packageDir absolute path of the package */
export async function buildCuda(packageDir, cache = defaultCache) {
  const kernels = await sources(join(packageDir, 'kernels'), '.cu')
  const native = await sources(join(packageDir, 'native'), '.cu')
  if (kernels.length + native.length === 0) return
  const nvcc = findNvcc()
  if (!nvcc) {
    // Every package with kernels is built after tensor: one notice is enough for a build of all.
    if (!process.env['NX_TASK_TARGET_PROJECT'] || packageDir === join(root, 'packages', 'tensor'))
      console.warn('nvcc was not found: CUDA kernels are not built, and the cuda device will say so')
    return
  }
  const version = versionOf(nvcc)
  const compiler = { nvcc, version, cache }
  const out = join(packageDir, 'dist', 'kernels')
  await mkdir(out, { recursive: true })
  for (const name of kernels) {
    const target = join(out, name.replace(/\.cu$/, '.fatbin'))
    await compile(compiler, join(packageDir, 'kernels', name), target, kernelFlags)
  }
  for (const name of native) {
    const folder = join(packageDir, 'dist', 'native')
    await mkdir(folder, { recursive: true })
    const target = join(folder, `libclipgstream_${name.replace(/\.cu$/, '.so')}`)
    await compile(compiler, join(packageDir, 'native', name), target, nativeFlags)
  }
  await writeFile(join(out, 'cuda.json'), `${JSON.stringify({ toolkit: version })}\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const nvcc = findNvcc()
  console.log(nvcc ? versionOf(nvcc) : 'none')
}
