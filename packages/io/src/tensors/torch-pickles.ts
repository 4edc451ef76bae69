import { FormatError, shown } from '../errors.js'
import type { ByteSource } from '../vfs/vfs.js'
import { dtypes, type NamedArray } from './array.js'
import { longestPickle, type PickleCalls, PickleDict, PickleList, type PickleValue, runPickle } from './pickle.js'
import { type StorageRecord, tensorCalls, tensorsOf, wholeNumbers } from './torch-tensors.js'

// MAGIC_NUMBER and PROTOCOL_VERSION of torch/serialization.py.
const magic = 0x1950a86a20f9469cfc6cn
const version = 1001

/** A storage of the file. */
interface Storage {
  readonly record: StorageRecord
  readonly count: number
  bytes?: Uint8Array
}

/**
 * What `torch.save` wrote before PyTorch 1.6, and still does without its zip container: the pickles of a magic
 * number, a version, facts about the writing machine, the object and the list of its storages' keys; then, in the order of
 * that list, the elements of every storage after their number as int64. Elements are little-endian. A storage in the
 * object is ('storage', type, key, location, number of elements, view), where a view, if there is one, is (its own
 * key, offset, number of elements).
 */
export async function readTorchPickles(source: ByteSource): Promise<Map<string, NamedArray>> {
  const { name: file } = source
  const head = await source.read(0, Math.min(source.size, longestPickle))
  let at = 0
  const next = (calls: PickleCalls): PickleValue => {
    const { value, end } = runPickle(head, file, calls, at)
    at = end
    return value
  }
  const plain: PickleCalls = {
    call(name, _, where) {
      throw new FormatError(file, where, 'plain values', `a call of ${shown(name)}`)
    },
  }
  const first = next(plain)
  if (first !== magic) {
    const got = typeof first === 'bigint' ? `0x${first.toString(16)}` : shown(first)
    throw new FormatError(file, 'magic number', `0x${magic.toString(16)} of PyTorch`, got)
  }
  demand(file, 'version', version, next(plain))
  const machine = next(plain)
  if (!(machine instanceof PickleDict)) throw new FormatError(file, 'machine', 'a dictionary', shown(machine))
  demand(file, 'little_endian', true, machine.entries.get('little_endian'))

  const storages = new Map<string, Storage>()
  const state = next(
    tensorCalls(file, ({ storage }, where) => {
      const known = storages.get(storage.key)
      const [count] = wholeNumbers([storage.count ?? null]) ?? []
      if (count === undefined) throw new FormatError(file, where, 'a number of elements', shown(storage.count))
      if (known && (known.count !== count || known.record.dtype !== storage.dtype)) {
        throw new FormatError(file, where, `storage ${storage.key} with one type and size`, 'two')
      }
      if (!known) storages.set(storage.key, { record: storage, count })
    }),
  )
  const keys = next(plain)
  if (!(keys instanceof PickleList)) throw new FormatError(file, 'storages', 'a list of keys', shown(keys))
  await readStorages(source, at, keys, storages)

  return tensorsOf(state, file, ({ key, dtype, view }, tensor) => {
    const bytes = storages.get(key)?.bytes
    if (!bytes) throw new FormatError(file, `tensor ${shown(tensor)}`, `a storage ${key}`, 'none')
    if (view === undefined || view === null) return bytes
    const [offset, count] = wholeNumbers(Array.isArray(view) ? view.slice(1, 3) : []) ?? []
    const width = dtypes[dtype].bits / 8
    if (offset === undefined || count === undefined || (offset + count) * width > bytes.length) {
      throw new FormatError(file, `tensor ${shown(tensor)}`, `a view of storage ${key}`, 'something else')
    }
    return bytes.subarray(offset * width, (offset + count) * width)
  })
}

function demand(file: string, where: string, expected: PickleValue, actual: PickleValue | undefined): void {
  if (actual !== expected) throw new FormatError(file, where, String(expected), shown(actual))
}

/** Reads the storages that begin at byte `at` and reach to the end of the file. */
async function readStorages(
  source: ByteSource,
  at: number,
  { items }: PickleList,
  storages: ReadonlyMap<string, Storage>,
): Promise<void> {
  const { name: file, size } = source
  for (const key of items) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined
    if (!storage || storage.bytes) {
      throw new FormatError(file, 'storages', 'each key of a tensor once', shown(key))
    }
    const where = `storage ${storage.record.key} at byte ${at}`
    const start = at + 8
    if (start > size) throw new FormatError(file, where, '8 bytes for its size', `${size - at}`)
    const header = await source.read(at, start)
    const count = new DataView(header.buffer, header.byteOffset, 8).getBigInt64(0, true)
    if (count !== BigInt(storage.count)) throw new FormatError(file, where, `${storage.count} elements`, `${count}`)
    const length = (storage.count * dtypes[storage.record.dtype].bits) / 8
    if (length > size - start) throw new FormatError(file, where, `${length} bytes`, `${size - start}`)
    at = start + length
    const bytes = await source.read(start, at)
    // Storages follow pickles of any length. Aligned once here, tensors are views and not each a copy.
    storage.bytes = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes)
  }
  if (at !== size) throw new FormatError(file, `byte ${at}`, 'the end of the file', `${size - at} more bytes`)
}
