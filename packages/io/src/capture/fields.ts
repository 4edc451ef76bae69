import { decodeUtf8 } from '../bytes.js'
import { FormatError, shown } from '../errors.js'
import type { Vfs } from '../vfs/vfs.js'

/** Larger files of names and numbers are taken for mistakes. */
const longestText = 2 ** 28

/** The text of a file of at most 256 MiB. */
export async function readText(vfs: Vfs, path: string): Promise<string> {
  const size = await vfs.size(path)
  if (size > longestText) throw new FormatError(path, 'size', `at most ${longestText} bytes`, `${size}`)
  return decodeUtf8(await vfs.read(path), path, 'text').replace(/^\uFEFF/, '')
}

export async function readJson(vfs: Vfs, path: string): Promise<Field> {
  const text = await readText(vfs, path)
  try {
    return new Field(path, 'top', JSON.parse(text))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new FormatError(path, 'text', 'JSON', reason, { cause })
  }
}

/** A value in a file, with its place, that is checked where it is used. */
export class Field {
  constructor(
    readonly file: string,
    readonly where: string,
    readonly value: unknown,
  ) {}

  get missing(): boolean {
    return this.value === undefined || this.value === null
  }

  fail(expected: string): never {
    throw new FormatError(this.file, this.where, expected, this.missing ? 'nothing' : shown(this.value))
  }

  /** A member of an object; missing where there is none. */
  get(name: string): Field {
    const inside = this.where === 'top' ? name : `${this.where}.${name}`
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) this.fail('an object')
    const own = Object.getOwnPropertyDescriptor(this.value, name)
    return new Field(this.file, inside, own?.value)
  }

  /** The first member of these names that is there; missing, under the first name, where there is none. */
  either(first: string, ...others: readonly string[]): Field {
    const found = others.map((name) => this.get(name)).find((field) => !field.missing)
    const own = this.get(first)
    return own.missing && found ? found : own
  }

  /** Members of an object by name, in the order of the file. */
  members(): [string, Field][] {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) this.fail('an object')
    return Object.keys(this.value).map((name) => [name, this.get(name)])
  }

  list(): Field[] {
    if (!Array.isArray(this.value)) return this.fail('a list')
    return this.value.map((item: unknown, i) => new Field(this.file, `${this.where}[${i}]`, item))
  }

  number(): number {
    return typeof this.value === 'number' && Number.isFinite(this.value) ? this.value : this.fail('a finite number')
  }

  numberOr(otherwise: number): number {
    return this.missing ? otherwise : this.number()
  }

  numberOrNull(): number | null {
    return this.missing ? null : this.number()
  }

  positive(): number {
    const value = this.number()
    return value > 0 ? value : this.fail('a number above 0')
  }

  whole(least = 0): number {
    const value = this.number()
    return Number.isSafeInteger(value) && value >= least ? value : this.fail(`a whole number of at least ${least}`)
  }

  text(): string {
    return typeof this.value === 'string' ? this.value : this.fail('a text')
  }

  /** Exactly `count` finite numbers; a list of lists is read row by row. */
  numbers(count: number): number[] {
    const nested = Array.isArray(this.value) && this.value.some(Array.isArray)
    const fields = nested ? this.list().flatMap((row) => row.list()) : this.list()
    if (fields.length !== count) {
      throw new FormatError(this.file, this.where, `${count} numbers`, `${fields.length}`)
    }
    return fields.map((field) => field.number())
  }

  triple(): [number, number, number] {
    const [x = 0, y = 0, z = 0] = this.numbers(3)
    return [x, y, z]
  }

  /** Runs what may find this value wrong in another way, and says where it stood. */
  checked<T>(expected: string, make: () => T): T {
    try {
      return make()
    } catch (cause) {
      if (cause instanceof FormatError) throw cause
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new FormatError(this.file, this.where, expected, reason, { cause })
    }
  }
}
