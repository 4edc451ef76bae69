// Prints what a GPU machine needs of this checkout beside Node, a path a line: sources, what was built, and of
// node_modules only what tests, conformance and benchmarks load. `--no-images` leaves sharp out, `--no-tests` vitest.

import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const flags = new Set(process.argv.slice(2))

/** What the tools themselves load. */
const wanted = ['tsx', ...(flags.has('--no-tests') ? [] : ['vitest', 'fast-check'])]
/** Large and not needed: compilers, video, rivals of the CPU benchmarks, the parts of vite that bundle style sheets. */
const left = [
  /^(assemblyscript|typescript|nx|@nx|@biomejs|publint|@changesets|binaryen|long)/,
  /^(node-av|@seydx|mediabunny|mp4box|@observablehq|linkedom|@tensorflow|@types|lightningcss|postcss|rollup$)/,
  /^(@vitest.(ui|browser|coverage)|jsdom|happy-dom|sass|less|terser|d3)/,
  ...(flags.has('--no-images') ? [/^(sharp|@img)/] : []),
]
/** Nothing reads these at run time. */
const deadFile = /\.(map|md|markdown|d\.[cm]?ts|tsbuildinfo|hh|cc|h)$/
const deadFolder = /^(docs?|tests?|examples?|vendor|\.github)$/
/** Binaries of other platforms than the GPU machine's. */
const otherPlatform = /^(darwin|win32|linux-arm64)/

/** @type {Set<string>} */
const files = new Set()
/** @type {Set<string>} */
const seen = new Set()

/**
 * @param {string} path
 * @param {boolean} top whether it is the folder of a package
 */
function add(path, top = true) {
  if (!lstatSync(path).isDirectory()) {
    if (!deadFile.test(path)) files.add(relative(root, path))
    return
  }
  for (const name of readdirSync(path))
    if (name !== 'node_modules' && !(top && deadFolder.test(name)) && !otherPlatform.test(name))
      add(join(path, name), false)
}

/**
 * A package, by the link that finds it, and what it depends on.
 * @param {string} link
 */
function addPackage(link) {
  if (lstatSync(link).isSymbolicLink()) files.add(relative(root, link))
  const folder = realpathSync(link)
  if (seen.has(folder) || !folder.includes('node_modules')) return
  seen.add(folder)
  add(folder)
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const neighbours = join(folder, manifest.name.includes('/') ? '../..' : '..')
  for (const kind of ['dependencies', 'optionalDependencies', 'peerDependencies'])
    for (const name of Object.keys(manifest[kind] ?? {})) addDependency(neighbours, name)
}

/**
 * @param {string} folder
 * @param {string} name
 */
function addDependency(folder, name) {
  const link = join(folder, name)
  if (existsSync(link) && !left.some((pattern) => pattern.test(name))) addPackage(link)
}

const tracked = execFileSync('git', ['ls-files', 'packages', 'tools', 'benchmarks', '*.json', '*.ts', 'LICENSE'], {
  cwd: root,
  encoding: 'utf8',
})
for (const file of tracked.trim().split('\n')) if (existsSync(join(root, file))) files.add(file)
for (const name of wanted) addDependency(join(root, 'node_modules'), name)
for (const name of ['tools', 'benchmarks', ...readdirSync(join(root, 'packages')).map((one) => `packages/${one}`)]) {
  const folder = join(root, name)
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  if (existsSync(join(folder, 'dist'))) add(join(folder, 'dist'))
  for (const kind of ['dependencies', 'optionalDependencies', 'devDependencies'])
    for (const dependency of Object.keys(manifest[kind] ?? {})) addDependency(join(folder, 'node_modules'), dependency)
}
console.log([...files].sort().join('\n'))
