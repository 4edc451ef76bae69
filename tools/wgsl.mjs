// Builds kernels/NAME.wgsl with an entry to dist/kernels/NAME.wgsl.json: the sources of all variants, and what the host
// must know to launch them. Files without an entry are included by others.
//
//   //#include "../../tensor/kernels/common.wgsl"      relative to the file; a file is taken once
//   //#if SUBGROUPS  //#if !F16  //#else  //#endif     variants: one source for each combination of the flags that occur
//   //#repeat item 16 SUBGROUPS  //#endrepeat          in variants with the flag a block for each of 0u to 15u in place of
//                                                      `item`, so that arrays that it indexes stay in registers; else a loop
//
// A flag stands for a feature of the adapter; the device takes the first variant that it can.

import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openCheck } from './wgsl-check.mjs'
import { reflect } from './wgsl-reflect.mjs'
import { WgslError } from './wgsl-tokens.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
/** @type {Readonly<Record<string, string>>} */
const enables = { SUBGROUPS: 'enable subgroups;', F16: 'enable f16;' }

/** @typedef {{ text: string, from: string }} Line */
/** @typedef {{ name: string, count: number, unrolled: boolean }} Repeat */

/** One line a source line, for messages. @param {string} file @param {ReadonlySet<string>} flags */
async function expand(file, flags, seen = new Set(), used = new Set()) {
  /** @type {Line[]} */
  const lines = []
  /** @type {boolean[]} */
  const open = []
  /** @type {(Repeat & { start: number }) | undefined} */
  let repeated
  seen.add(file)
  const source = await readFile(file, 'utf8')
  for (const [i, text] of source.split('\n').entries()) {
    const from = `${relative(root, file)}:${i + 1}`
    const [, directive, rest = ''] = /^\s*\/\/#(\w+)\s*(.*?)\s*$/.exec(text) ?? []
    const active = open.every(Boolean)
    if (directive === 'if') {
      const flag = rest.replace('!', '')
      if (!enables[flag]) throw new WgslError(`${from}: ${rest} is not one of ${Object.keys(enables).join(', ')}`)
      used.add(flag)
      open.push(flags.has(flag) !== rest.startsWith('!'))
    } else if (directive === 'else' || directive === 'endif') {
      const last = open.pop()
      if (last === undefined) throw new WgslError(`${from}: there is no //#if before`)
      if (directive === 'else') open.push(!last)
    } else if (directive === 'include') {
      const path = /^"(.+)"$/.exec(rest)?.[1]
      const target = path && resolve(dirname(file), path)
      if (!target || !existsSync(target)) throw new WgslError(`${from}: there is no ${rest}`)
      if (active && !seen.has(target)) lines.push(...(await expand(target, flags, seen, used)).lines)
    } else if (directive === 'repeat') {
      const [, name, count, flag] = /^(\w+) (\d+) (\w+)$/.exec(rest) ?? []
      if (name === undefined || flag === undefined || !enables[flag] || repeated)
        throw new WgslError(`${from}: //#repeat takes a name, a number and a flag, and no other within`)
      repeated = { name, count: Number(count), unrolled: flags.has(flag), start: lines.length }
    } else if (directive === 'endrepeat') {
      if (!repeated) throw new WgslError(`${from}: there is no //#repeat before`)
      lines.push(...repeat(lines.splice(repeated.start), repeated))
      repeated = undefined
    } else if (directive) throw new WgslError(`${from}: there is no //#${directive}`)
    else if (active) lines.push({ text, from })
  }
  if (repeated) throw new WgslError(`${relative(root, file)}: //#repeat without //#endrepeat`)
  if (open.length > 0) throw new WgslError(`${relative(root, file)}: //#if without //#endif`)
  return { lines, used }
}

/** @param {readonly Line[]} lines @param {Repeat} repeat @returns {Line[]} */
function repeat(lines, { name, count, unrolled }) {
  const from = lines[0]?.from ?? ''
  const block = (/** @type {string} */ head, /** @type {readonly Line[]} */ inner) => [
    { text: `${head}{`, from },
    ...inner,
    { text: '}', from },
  ]
  if (!unrolled) return block(`for (var ${name} = 0u; ${name} < ${count}u; ${name}++) `, lines)
  const whole = new RegExp(`\\b${name}\\b`, 'g')
  return Array.from({ length: count }, (_, i) =>
    block(
      '',
      lines.map((line) => ({ ...line, text: line.text.replace(whole, `${i}u`) })),
    ),
  ).flat()
}

/** All sets of `flags`, the fullest first. @param {readonly string[]} flags @returns {string[][]} */
function combinations([first, ...others]) {
  if (!first) return [[]]
  const rest = combinations(others)
  return [...rest.map((set) => [first, ...set]), ...rest]
}

/** @param {string} file @param {import('./wgsl-check.mjs').Check | undefined} check */
export async function compileWgsl(file, check) {
  const all = new Set(Object.keys(enables))
  // Includes may be conditional, so flags are looked for with all of them and with none.
  const used = new Set([...(await expand(file, all)).used, ...(await expand(file, new Set())).used])
  const variants = []
  for (const flags of combinations([...used].sort().reverse())) {
    const { lines } = await expand(file, new Set(flags))
    const head = flags.map((flag) => ({ text: enables[flag] ?? '', from: 'the build' }))
    const whole = [...head, ...lines]
    const code = whole.map(({ text }) => text).join('\n')
    const where = (/** @type {number} */ line) => whole[line - 1]?.from ?? relative(root, file)
    const variant = { flags, code, ...reflect(code) }
    const problems = (await check?.(variant, where)) ?? []
    if (problems.length > 0) throw new WgslError(problems.join('\n'))
    variants.push(variant)
  }
  return variants
}

/** @param {string} packageDir absolute path of the package */
export async function buildWgsl(packageDir) {
  const from = join(packageDir, 'kernels')
  if (!existsSync(from)) return
  const names = (await readdir(from)).filter((name) => name.endsWith('.wgsl')).sort()
  if (names.length === 0) return
  const check = await openCheck()
  if (!check) console.warn('the package webgpu does not run here: WGSL is built, but not compiled to see its errors')
  const out = join(packageDir, 'dist', 'kernels')
  await mkdir(out, { recursive: true })
  for (const name of names) {
    const file = join(from, name)
    if (!/@compute/.test(await readFile(file, 'utf8'))) continue
    const variants = await compileWgsl(file, check).catch((error) => {
      if (error instanceof WgslError) throw new WgslError(`${relative(root, file)}: ${error.message}`)
      throw error
    })
    const text = JSON.stringify({ name: name.replace(/\.wgsl$/, ''), variants })
    await writeFile(join(out, `${name}.json`), `${text}\n`)
  }
}
