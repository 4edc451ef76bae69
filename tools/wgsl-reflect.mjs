// What a host must know of a WGSL module: entries, the variables that each reaches, and the layout of uniform structs.
//
// Only declarations are parsed. A function reaches what its body and the functions called in it name, but for its own
// parameters and locals. Expressions are looked at for array lengths and workgroup sizes alone. ./wgsl-check.mjs holds the
// result against a WebGPU implementation.

import { Reader, tokenize, WgslError } from './wgsl-tokens.mjs'

/**
 * @typedef {import('./wgsl-tokens.mjs').Attribute} Attribute
 * @typedef {import('./wgsl-tokens.mjs').Type} Type
 * @typedef {{ name: string, type: Type }} Member
 * @typedef {{ name: string, type: string, offsets: number[] }} UniformMember
 * @typedef {{ name: string, size: number, members: UniformMember[] }} Uniform
 * @typedef {{ name: string, binding: number, access: 'read' | 'read_write', element: string }} Storage
 * @typedef {{ name: string, type: string, hasDefault: boolean }} Override
 * @typedef {{ name: string, workgroupSize: number[] | null, uniform: Uniform | null, storage: Storage[], overrides: string[] }} Entry
 * @typedef {{ overrides: Override[], entries: Entry[] }} Reflection
 * @typedef {{ name: string, space: string, access: string, type: Type, group: number, binding: number }} Variable
 */

const scalars = ['f32', 'i32', 'u32', 'f16', 'bool']
/** @type {Readonly<Record<string, string>>} */
const suffixes = { f: 'f32', i: 'i32', u: 'u32', h: 'f16' }

/** @param {string} code a whole module @returns {Reflection} */
export function reflect(code) {
  const module = new Module(tokenize(code))
  const overrides = [...module.overrides.values()].map(({ name, type, hasDefault }) => ({ name, type, hasDefault }))
  return { overrides, entries: module.entries.map((entry) => module.describe(entry)) }
}

class Module {
  /** @type {Map<string, Type>} */
  aliases = new Map()
  /** @type {Map<string, Member[]>} */
  structs = new Map()
  /** @type {Map<string, Variable>} */
  variables = new Map()
  /** Values, and what they name. @type {Map<string, readonly string[]>} */
  constants = new Map()
  /** @type {Map<string, Override>} */
  overrides = new Map()
  /** @type {Map<string, readonly string[]>} */
  functions = new Map()
  /** @type {{ name: string, size: string[] }[]} */
  entries = []

  /** @param {readonly string[]} tokens */
  constructor(tokens) {
    const reader = new Reader(tokens)
    while (reader.next !== undefined) this.declaration(reader)
  }

  /** @param {Reader} reader */
  declaration(reader) {
    const attributes = reader.attributes()
    const keyword = reader.take()
    switch (keyword) {
      case ';':
        return
      case 'struct':
        return void this.structs.set(reader.take(), members(reader))
      case 'alias': {
        const name = reader.take()
        reader.expect('=')
        this.aliases.set(name, reader.type())
        return reader.expect(';')
      }
      case 'const':
      case 'override':
        return this.constant(reader, keyword)
      case 'var':
        return this.variable(reader, attributes)
      case 'fn':
        return this.function(reader, attributes)
      default:
        // Directives and assertions.
        reader.until([';'])
        return reader.expect(';')
    }
  }

  /** @param {Reader} reader @param {string} keyword */
  constant(reader, keyword) {
    const name = reader.take()
    const type = reader.skip(':') ? reader.type().name : 'f32'
    const value = reader.skip('=') ? reader.until([';']) : undefined
    reader.expect(';')
    if (value) this.constants.set(name, value)
    if (keyword === 'override') this.overrides.set(name, { name, type, hasDefault: value !== undefined })
  }

  /** @param {Reader} reader @param {readonly Attribute[]} attributes */
  variable(reader, attributes) {
    let space = 'private'
    let access = 'read'
    if (reader.skip('<')) {
      space = reader.take()
      if (reader.skip(',')) access = reader.take()
      reader.skip(',')
      reader.expect('>')
    }
    const name = reader.take()
    /** @type {Type} */
    const type = reader.skip(':') ? reader.type() : { name: 'f32', args: [] }
    const start = reader.at
    reader.until([';'])
    const number = (/** @type {string} */ what) => {
      const [text] = attributes.find((attribute) => attribute.name === what)?.args ?? []
      return text === undefined ? Number.NaN : this.value(text.split(' '))
    }
    this.variables.set(name, { name, space, access, type, group: number('group'), binding: number('binding') })
    // An initial value or the length of a workgroup array may name an override.
    const length = type.length ?? []
    this.functions.set(name, [...reader.tokens.slice(start, reader.at), ...length])
    reader.expect(';')
  }

  /** @param {Reader} reader @param {readonly Attribute[]} attributes */
  function(reader, attributes) {
    const name = reader.take()
    const parameters = reader.between('(', ')')
    const whole = [...parameters, ...reader.until(['{']), ...reader.between('{', '}')]
    const own = localsOf(parameters, whole)
    const size = attributes.find((attribute) => attribute.name === 'workgroup_size')?.args ?? []
    const named = whole.filter((token, i) => !own.has(token) && whole[i - 1] !== '.')
    this.functions.set(name, [...named, ...size.flatMap((text) => text.split(' '))])
    if (attributes.some((attribute) => attribute.name === 'compute')) this.entries.push({ name, size })
  }

  /** @param {{ name: string, size: string[] }} entry @returns {Entry} */
  describe({ name, size }) {
    const reached = this.reachedFrom(name)
    const variables = [...reached].flatMap((one) => this.variables.get(one) ?? [])
    const bound = variables.filter(({ space }) => space === 'uniform' || space === 'storage')
    for (const { name: variable, group, binding } of bound) {
      if (group !== 0) throw new WgslError(`${name}: ${variable} must be in @group(0)`)
      if (!Number.isInteger(binding)) throw new WgslError(`${name}: ${variable} has no @binding`)
    }
    for (const { name: variable, binding } of bound) {
      const other = bound.find((one) => one.name !== variable && one.binding === binding)
      if (other) throw new WgslError(`${name}: ${variable} and ${other.name} have the same @binding(${binding})`)
    }
    const uniforms = bound.filter(({ space }) => space === 'uniform')
    if (uniforms.length > 1)
      throw new WgslError(`${name}: more than one uniform (${uniforms.map((one) => one.name).join(', ')})`)
    const storage = bound.filter(({ space }) => space === 'storage').sort((a, b) => a.binding - b.binding)
    if (storage.length > 8) {
      const names = storage.map((one) => one.name).join(', ')
      throw new WgslError(`${name}: ${storage.length} storage bindings, at most 8 are portable (${names})`)
    }
    const [uniform] = uniforms
    const sizes = [0, 1, 2].map((axis) => this.tryValue(size[axis]?.split(' ') ?? ['1']))
    return {
      name,
      workgroupSize: sizes.every((one) => one !== undefined) ? sizes : null,
      uniform: uniform ? this.uniform(uniform) : null,
      storage: storage.map((one) => ({
        name: one.name,
        binding: one.binding,
        access: one.access === 'read_write' ? 'read_write' : 'read',
        element: this.element(one.type),
      })),
      overrides: [...this.overrides.keys()].filter((one) => reached.has(one)),
    }
  }

  /** Every name that `entry` reaches. @param {string} entry */
  reachedFrom(entry) {
    const reached = new Set([entry])
    for (const name of reached) {
      const body = this.functions.get(name) ?? this.constants.get(name) ?? []
      for (const token of body) if (/^[A-Za-z_]/.test(token)) reached.add(token)
      for (const { type } of this.structs.get(name) ?? []) for (const inner of namesOf(type)) reached.add(inner)
    }
    return reached
  }

  /** @param {Variable} variable @returns {Uniform} */
  uniform({ name, type }) {
    const struct = this.structs.get(this.resolve(type).name)
    if (!struct) throw new WgslError(`${name}: a uniform must be a struct`)
    const { size } = this.layout(type)
    let at = 0
    const found = struct.map((member) => {
      const { align, size: bytes } = this.layout(member.type)
      const start = roundUp(at, align)
      at = start + bytes
      const parts = this.components(member.type, start)
      const element = parts[0]?.type ?? 'u32'
      if (parts.some((part) => part.type !== element)) {
        throw new WgslError(`${name}.${member.name}: scalars of one member must have one type`)
      }
      return { name: member.name, type: element, offsets: parts.map((part) => part.offset) }
    })
    return { name, size: roundUp(size, 16), members: found }
  }

  /** @param {Type} type @returns {Type} */
  resolve(type) {
    const alias = this.aliases.get(type.name)
    if (alias) return this.resolve(alias)
    const short = /^(vec[234]|mat[234]x[234])([fiuh])$/.exec(type.name)
    if (short) return { name: short[1] ?? '', args: [{ name: suffixes[short[2] ?? ''] ?? '', args: [] }] }
    return type
  }

  /** Alignment and size in the uniform address space. @param {Type} type @returns {{ align: number, size: number }} */
  layout(type) {
    const { name, args, length } = this.resolve(type)
    const struct = this.structs.get(name)
    if (struct) {
      let at = 0
      let most = 4
      for (const member of struct) {
        const { align, size } = this.layout(member.type)
        at = roundUp(at, align) + size
        most = Math.max(most, align)
      }
      return { align: most, size: roundUp(at, most) }
    }
    if (['f32', 'i32', 'u32'].includes(name)) return { align: 4, size: 4 }
    const rows = Number(/^vec([234])$/.exec(name)?.[1] ?? Number.NaN)
    if (rows) return { align: rows === 2 ? 8 : 16, size: 4 * rows }
    const matrix = /^mat([234])x([234])$/.exec(name)
    if (matrix) {
      const align = matrix[2] === '2' ? 8 : 16
      return { align, size: align * Number(matrix[1]) }
    }
    const [inner] = args
    if (name === 'array' && inner && length) {
      const { align, size } = this.layout(inner)
      return { align: roundUp(align, 16), size: roundUp(roundUp(size, align), 16) * this.value(length) }
    }
    throw new WgslError(`${name} cannot be a member of a uniform`)
  }

  /** Where each scalar lies. @param {Type} type @param {number} at @returns {{ type: string, offset: number }[]} */
  components(type, at) {
    const { name, args, length } = this.resolve(type)
    const struct = this.structs.get(name)
    if (struct) {
      let next = at
      return struct.flatMap((member) => {
        const { align, size } = this.layout(member.type)
        const start = roundUp(next, align)
        next = start + size
        return this.components(member.type, start)
      })
    }
    if (scalars.includes(name)) return [{ type: name, offset: at }]
    const [inner] = args
    if (!inner) throw new WgslError(`${name} cannot be a member of a uniform`)
    const matrix = /^mat([234])x([234])$/.exec(name)
    const columns = Number(matrix?.[1] ?? 1)
    const rows = Number(matrix?.[2] ?? /^vec([234])$/.exec(name)?.[1] ?? (length ? this.value(length) : 0))
    const { size } = this.layout(type)
    const [outer, step] = matrix ? [size / columns, 4] : [0, size / rows]
    return Array.from({ length: columns * rows }, (_, i) =>
      this.components(inner, at + Math.floor(i / rows) * outer + (i % rows) * step),
    ).flat()
  }

  /** The scalar that a storage variable is made of, or `struct`. @param {Type} type @returns {string} */
  element(type) {
    const { name, args } = this.resolve(type)
    if (scalars.includes(name)) return name
    return args[0] ? this.element(args[0]) : 'struct'
  }

  /** @param {readonly string[]} tokens */
  value(tokens) {
    const value = this.tryValue(tokens)
    if (value === undefined) throw new WgslError(`${tokens.join(' ')} is not a constant that the build can work out`)
    return value
  }

  /** Sums and products of integers and constants. @param {readonly string[]} tokens @returns {number | undefined} */
  tryValue(tokens) {
    let at = 0
    const number = /** @returns {number} */ () => {
      const token = tokens[at++] ?? ''
      if (token === '(') {
        const inner = sum()
        return tokens[at++] === ')' ? inner : Number.NaN
      }
      const constant = this.overrides.get(token)?.hasDefault === false ? undefined : this.constants.get(token)
      return constant ? (this.tryValue(constant) ?? Number.NaN) : Number(token.replace(/[iu]$/, '') || Number.NaN)
    }
    const product = () => {
      let value = number()
      while (tokens[at] === '*' || tokens[at] === '/') {
        value = tokens[at++] === '*' ? value * number() : Math.trunc(value / number())
      }
      return value
    }
    const sum = () => {
      let value = product()
      while (tokens[at] === '+' || tokens[at] === '-') value += tokens[at++] === '+' ? product() : -product()
      return value
    }
    const value = sum()
    return at === tokens.length && Number.isInteger(value) ? value : undefined
  }
}

/** Names that a function declares. @param {readonly string[]} parameters @param {readonly string[]} whole */
function localsOf(parameters, whole) {
  const own = new Set(parameters.filter((_, i) => parameters[i + 1] === ':'))
  for (const [i, token] of whole.entries()) {
    if (!['let', 'var', 'const'].includes(token)) continue
    const name = whole[i + 1] === '<' ? whole[whole.indexOf('>', i) + 1] : whole[i + 1]
    if (name !== undefined) own.add(name)
  }
  return own
}

/** @param {Reader} reader @returns {Member[]} */
function members(reader) {
  /** @type {Member[]} */
  const found = []
  reader.expect('{')
  while (!reader.skip('}')) {
    const attributes = reader.attributes()
    const name = reader.take()
    if (attributes.some((one) => one.name === 'align' || one.name === 'size'))
      throw new WgslError(`${name}: @align and @size are not read; order the members instead`)
    reader.expect(':')
    found.push({ name, type: reader.type() })
    reader.skip(',')
  }
  return found
}

/** @param {Type} type @returns {string[]} */
function namesOf({ name, args, length = [] }) {
  return [name, ...args.flatMap(namesOf), ...length]
}

/** @param {number} value @param {number} step */
function roundUp(value, step) {
  return Math.ceil(value / step) * step
}
