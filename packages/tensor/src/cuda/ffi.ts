import { createRequire } from 'node:module'
import { DeviceUnavailableError } from '../errors.js'

/**
 * Native functions by name with one letter an argument: p pointer or handle by value, b buffer, i int, u unsigned,
 * s string. Pointers are numbers (user addresses stay below 2^47) and results go through reused typed arrays: a call
 * then costs 40 to 130 ns, with structs and out parameters it would be microseconds.
 */
export type Signatures = Readonly<Record<string, string>>
export type NativeArgument = number | string | null | NodeJS.ArrayBufferView
export type Native = (...args: NativeArgument[]) => number

const types: Readonly<Record<string, string>> = {
  p: 'uint64_t',
  b: 'void *',
  i: 'int',
  u: 'unsigned int',
  s: 'const char *',
}

interface Koffi {
  load(path: string): { func(name: string, result: string, args: string[]): Native }
  view(address: number, bytes: number): ArrayBuffer
  decode(pointer: BigUint64Array, type: string): unknown
}

/** The shared library at `path` could not be opened, or has no function of that name. */
export class LibraryError extends Error {
  constructor(
    readonly path: string,
    /** Undefined when the library itself could not be opened. */
    readonly missing: string | undefined,
    cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/** @throws LibraryError, and DeviceUnavailableError without koffi */
export function openLibrary<S extends Signatures>(path: string, signatures: S): Record<keyof S & string, Native> {
  const koffi = loadKoffi()
  const attempt = <T>(missing: string | undefined, work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw new LibraryError(path, missing, error)
    }
  }
  const library = attempt(undefined, () => koffi.load(path))
  const functions: Record<string, Native> = {}
  for (const [name, letters] of Object.entries(signatures)) {
    const args = [...letters].map((letter) => types[letter] ?? letter)
    functions[name] = attempt(name, () => library.func(name, 'int', args))
  }
  return functions as Record<keyof S & string, Native>
}

/** Host memory at `address`, without a copy. */
export function viewMemory(address: number, bytes: number): ArrayBuffer {
  return loadKoffi().view(address, bytes)
}

/** The zero-terminated string whose address is in `pointer`. */
export function readText(pointer: BigUint64Array): string {
  return String(loadKoffi().decode(pointer, 'const char *'))
}

let koffi: Koffi | undefined

function loadKoffi(): Koffi {
  try {
    koffi ??= createRequire(import.meta.url)('koffi') as Koffi
    return koffi
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    const remedy = 'Install it with npm i koffi, or use --device wasm'
    throw new DeviceUnavailableError('cuda', `the package koffi could not be loaded (${reason})`, remedy, {
      cause: error,
    })
  }
}
