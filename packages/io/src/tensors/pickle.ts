import { decodeUtf8 } from '../bytes.js'
import { FormatError } from '../errors.js'
import { opcodeName } from './pickle-opcodes.js'

/** A name that a pickle asks for. It is never looked up: only its text is compared. */
export class PickleGlobal {
  constructor(readonly name: string) {}
}

/** What a pickle's persistent id stands for (torch: a storage). */
export class PickleReference {
  constructor(readonly id: readonly PickleValue[]) {}
}

/** The result of a call that the caller of {@link runPickle} allowed and made itself. */
export class PickleObject {
  constructor(readonly content: object) {}
}

export type PickleValue =
  | null
  | boolean
  | number
  /** A whole number beyond 2^53. */
  | bigint
  | string
  | PickleGlobal
  | PickleReference
  | PickleObject
  | PickleTuple
  | PickleList
  | PickleDict
export type PickleTuple = readonly PickleValue[]
export class PickleList {
  readonly items: PickleValue[] = []
}
export class PickleDict {
  readonly entries = new Map<PickleValue, PickleValue>()
}

export interface PickleCalls {
  /** Makes the result of a call, or throws. */
  call(name: string, args: PickleTuple, where: string): PickleValue
}

const mark = Symbol('mark')
/** The most bytes that {@link runPickle} takes. */
export const longestPickle = 16 * 2 ** 20
const mostValues = 1_000_000

/**
 * Runs the few opcodes that a tensor dictionary needs, on data only: names are text, calls go to `call`, and everything
 * else (REDUCE of other names, INST, OBJ, NEWOBJ, EXT, PERSID...) is an error. Size, stack and memo are bounded. The
 * pickle begins at byte `start` and ends before byte `end`; what follows is not looked at.
 */
export function runPickle(
  bytes: Uint8Array,
  file: string,
  { call }: PickleCalls,
  start = 0,
): { value: PickleValue; end: number } {
  if (bytes.length > longestPickle) {
    throw new FormatError(file, 'pickle', `at most ${longestPickle} bytes`, `${bytes.length}`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const stack: (PickleValue | typeof mark)[] = []
  const memo = new Map<number, PickleValue>()
  let at = start
  let opcodeAt = start

  const fail = (expected: string, actual: string): never => {
    throw new FormatError(file, `pickle byte ${opcodeAt}`, expected, actual)
  }
  const take = (count: number): number => {
    const start = at
    if (count > bytes.length - start) fail(`${count} more bytes`, `${bytes.length - start}`)
    at += count
    return start
  }
  const push = (value: PickleValue | typeof mark) => {
    if (stack.length >= mostValues) fail(`at most ${mostValues} values`, 'more')
    stack.push(value)
  }
  const pop = (): PickleValue => {
    const value = stack.pop()
    return value === undefined || value === mark ? fail('a value on the stack', 'none') : value
  }
  const top = (): PickleValue => {
    const value = stack.at(-1)
    return value === undefined || value === mark ? fail('a value on the stack', 'none') : value
  }
  const popMark = (): PickleValue[] => {
    const start = stack.lastIndexOf(mark)
    if (start < 0) fail('a mark on the stack', 'none')
    const items = stack.splice(start).slice(1)
    return items.filter((item): item is PickleValue => item !== mark)
  }
  const text = (length: number): string => {
    const start = take(length)
    return decodeUtf8(bytes.subarray(start, at), file, `pickle byte ${start}`)
  }
  const line = (): string => {
    const end = bytes.subarray(at, at + 256).indexOf(10)
    if (end < 0) fail('a name of at most 255 bytes', 'no end of line')
    const name = text(end)
    at++
    return name
  }
  const remember = (key: number) => {
    if (memo.size >= mostValues) fail(`at most ${mostValues} memo entries`, 'more')
    memo.set(key, top())
  }
  const recall = (key: number) => {
    const value = memo.get(key)
    push(value === undefined ? fail('a memo entry that was put', `${key}`) : value)
  }
  const setItems = (items: readonly PickleValue[]) => {
    const target = top()
    // Torch state dictionaries carry _metadata through BUILD; setting items goes to dictionaries only.
    const dict = target instanceof PickleDict ? target : fail('a dictionary to set items in', 'something else')
    if (items.length % 2 !== 0) fail('pairs of key and value', `${items.length} values`)
    for (let i = 0; i + 1 < items.length; i += 2) dict.entries.set(items[i] ?? null, items[i + 1] ?? null)
  }
  const append = (items: readonly PickleValue[]) => {
    const target = top()
    const list = target instanceof PickleList ? target : fail('a list to append to', 'something else')
    for (const item of items) list.items.push(item)
  }
  const long = (length: number): number | bigint => {
    if (length > 16) fail('a whole number of at most 16 bytes', `${length}`)
    const start = take(length)
    let value = 0n
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[start + i]!)
    const signed = BigInt.asIntN(length * 8, value)
    const number = Number(signed)
    return Number.isSafeInteger(number) ? number : signed
  }

  for (;;) {
    opcodeAt = at
    const opcode = bytes[take(1)]!
    switch (opcode) {
      case 0x80: {
        const version = bytes[take(1)]!
        if (version < 2 || version > 5) fail('pickle protocol 2 to 5', `${version}`)
        break
      }
      case 0x95: // FRAME
        take(8)
        break
      case 0x63: // GLOBAL
        push(new PickleGlobal(`${line()}.${line()}`))
        break
      case 0x93: {
        const name = pop()
        const module = pop()
        if (typeof name !== 'string' || typeof module !== 'string') fail('two strings for a name', 'something else')
        push(new PickleGlobal(`${String(module)}.${String(name)}`))
        break
      }
      case 0x52: {
        const args = pop()
        const callee = pop()
        if (!(callee instanceof PickleGlobal)) return fail('a name to call', 'something else')
        if (!Array.isArray(args)) return fail('a tuple of arguments', 'something else')
        push(call(callee.name, args, `pickle byte ${opcodeAt}`))
        break
      }
      case 0x62: // BUILD: the state (torch's _metadata) is read and dropped
        pop()
        top()
        break
      case 0x51: {
        const id = pop()
        push(Array.isArray(id) ? new PickleReference(id) : fail('a tuple as persistent id', 'something else'))
        break
      }
      case 0x28:
        push(mark)
        break
      case 0x30: // POP
        pop()
        break
      case 0x29:
        push([])
        break
      case 0x85:
        push([pop()])
        break
      case 0x86: {
        const b = pop()
        push([pop(), b])
        break
      }
      case 0x87: {
        const c = pop()
        const b = pop()
        push([pop(), b, c])
        break
      }
      case 0x74:
        push(popMark())
        break
      case 0x7d:
        push(new PickleDict())
        break
      case 0x5d:
        push(new PickleList())
        break
      case 0x73: {
        const value = pop()
        setItems([pop(), value])
        break
      }
      case 0x75:
        setItems(popMark())
        break
      case 0x61:
        append([pop()])
        break
      case 0x65:
        append(popMark())
        break
      case 0x58:
      case 0x54: // BINSTRING, of Python 2
        push(text(view.getUint32(take(4), true)))
        break
      case 0x8c:
      case 0x55: // SHORT_BINSTRING, of Python 2
        push(text(bytes[take(1)]!))
        break
      case 0x4a:
        push(view.getInt32(take(4), true))
        break
      case 0x4b:
        push(bytes[take(1)]!)
        break
      case 0x4d:
        push(view.getUint16(take(2), true))
        break
      case 0x8a:
        push(long(bytes[take(1)]!))
        break
      case 0x47:
        push(view.getFloat64(take(8), false))
        break
      case 0x4e:
        push(null)
        break
      case 0x88:
        push(true)
        break
      case 0x89:
        push(false)
        break
      case 0x71:
        remember(bytes[take(1)]!)
        break
      case 0x72:
        remember(view.getUint32(take(4), true))
        break
      case 0x94:
        remember(memo.size)
        break
      case 0x68:
        recall(bytes[take(1)]!)
        break
      case 0x6a:
        recall(view.getUint32(take(4), true))
        break
      case 0x2e: {
        const value = pop()
        if (stack.length > 0) fail('one value at the end', `${stack.length + 1}`)
        return { value, end: at }
      }
      default:
        fail('an opcode that tensors need', opcodeName(opcode))
    }
  }
}
