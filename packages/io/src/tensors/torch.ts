import { FormatError, shown } from '../errors.js'
import { type ByteSource, bytesSource } from '../vfs/vfs.js'
import { readZipEntry } from '../vfs/zip.js'
import { readZipDirectory, type ZipEntry } from '../vfs/zip-directory.js'
import { type ArrayData, arrayOf, type DTypeName, dtypes, type NamedArray } from './array.js'
import {
  PickleDict,
  PickleGlobal,
  PickleObject,
  PickleReference,
  type PickleTuple,
  type PickleValue,
  runPickle,
} from './pickle.js'

const storages: Readonly<Record<string, DTypeName>> = {
  'torch.FloatStorage': 'F32',
  'torch.DoubleStorage': 'F64',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
}

/** A tensor as the pickle describes it: a strided window of a storage. */
class TensorRecord {
  constructor(
    readonly dtype: DTypeName,
    readonly key: string,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/**
 * The tensors of a PyTorch state dictionary (`torch.save(module.state_dict(), file)`, zip container, PyTorch 1.6 or
 * newer). The pickle inside is read as data: only `OrderedDict` and `torch._utils._rebuild_tensor_v2` over plain storages
 * are known, nothing is looked up or run, and anything else is a `FormatError`.
 */
export async function readTorchState(
  archive: Uint8Array | ByteSource,
  file = 'state.pth',
): Promise<Map<string, NamedArray>> {
  const source = archive instanceof Uint8Array ? bytesSource(archive, file) : archive
  const entries = new Map<string, ZipEntry>()
  for (const entry of await readZipDirectory(source)) {
    if (entries.has(entry.name)) throw new FormatError(source.name, 'archive', 'each name once', `${entry.name} twice`)
    entries.set(entry.name, entry)
  }
  const pickles = [...entries.keys()].filter((name) => /^([^/]+\/)?data\.pkl$/.test(name))
  const [pickle] = pickles
  if (pickle === undefined || pickles.length > 1) {
    throw new FormatError(source.name, 'archive', 'one data.pkl', `${pickles.length}`)
  }
  const root = pickle.slice(0, -'data.pkl'.length)
  const read = async (name: string, what: string): Promise<Uint8Array> => {
    const entry = entries.get(root + name)
    if (!entry) throw new FormatError(source.name, what, `an archive member ${root}${name}`, 'none')
    return readZipEntry(source, entry)
  }
  if (entries.has(`${root}byteorder`)) {
    const order = new TextDecoder().decode(await read('byteorder', 'byteorder'))
    if (order.trim() !== 'little') throw new FormatError(source.name, 'byteorder', 'little', shown(order))
  }
  const state = runPickle(await read('data.pkl', 'pickle'), source.name, { call })
  if (!(state instanceof PickleDict)) {
    throw new FormatError(source.name, 'pickle', 'a dictionary of tensors', 'something else')
  }
  const storageBytes = new Map<string, Uint8Array>()
  const tensors = new Map<string, NamedArray>()
  for (const [name, value] of state.entries) {
    if (typeof name !== 'string') throw new FormatError(source.name, 'state', 'names that are strings', shown(name))
    const record = value instanceof PickleObject ? value.content : undefined
    if (!(record instanceof TensorRecord)) {
      throw new FormatError(source.name, `state ${shown(name)}`, 'a tensor', 'something else')
    }
    const bytes = storageBytes.get(record.key) ?? (await read(`data/${record.key}`, `tensor ${shown(name)}`))
    storageBytes.set(record.key, bytes)
    tensors.set(name, build(record, bytes, `${source.name}`, name))
  }
  return tensors

  function call(name: string, args: PickleTuple, where: string): PickleValue {
    if (name === 'collections.OrderedDict' && args.length === 0) return new PickleDict()
    if (name === 'torch._utils._rebuild_tensor_v2') return new PickleObject(rebuildTensor(args, source.name, where))
    throw new FormatError(source.name, where, 'OrderedDict() or a tensor', `a call of ${shown(name)}`)
  }
}

/** Arguments: storage, offset, shape, strides, requires_grad, hooks [, metadata]. */
function rebuildTensor(args: PickleTuple, file: string, where: string): TensorRecord {
  const fail = (expected: string): never => {
    throw new FormatError(file, where, expected, 'something else')
  }
  const [storage, offset, shape, strides] = args
  const id = storage instanceof PickleReference ? storage.id : fail('a storage')
  const [tag, type, key] = id
  const dtype = type instanceof PickleGlobal ? storages[type.name] : undefined
  if (tag !== 'storage' || !dtype) {
    return fail(`a storage of a plain type (${Object.keys(storages).join(', ')})`)
  }
  if (typeof key !== 'string' || !/^\d{1,10}$/.test(key)) return fail('a storage key of digits')
  const extents = numbers(shape) ?? fail('a shape')
  const steps = numbers(strides) ?? fail('strides')
  if (steps.length !== extents.length || extents.length > 32) fail('as many strides as extents, at most 32')
  const [start] = numbers([offset ?? null]) ?? fail('an offset')
  return new TensorRecord(dtype, key, start ?? 0, extents, steps)
}

function numbers(value: PickleValue | undefined): number[] | null {
  if (!Array.isArray(value)) return null
  const list = value.filter((item): item is number => Number.isSafeInteger(item) && item >= 0)
  return list.length === value.length ? list : null
}

function build(
  { dtype, offset, shape, strides }: TensorRecord,
  bytes: Uint8Array,
  file: string,
  name: string,
): NamedArray {
  const width = dtypes[dtype].bits / 8
  const stored = Math.floor(bytes.length / width)
  const count = shape.reduce((product, extent) => product * extent, 1)
  const last = count === 0 ? -1 : shape.reduce((sum, extent, axis) => sum + (extent - 1) * (strides[axis] ?? 0), offset)
  // An expanded tensor (stride 0) could ask for any size from one element; nothing that is saved needs one.
  if (!(count <= stored) || !(last < stored)) {
    const want = `[${shape.join(', ')}] at ${offset} with strides [${strides.join(', ')}]`
    throw new FormatError(file, `tensor ${shown(name)}`, `a window of its ${stored} stored elements`, want)
  }
  let dense = true
  for (let axis = shape.length - 1, step = 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== step) dense = false
    step *= shape[axis]!
  }
  if (dense || count === 0) {
    const data = arrayOf(dtype, bytes.subarray(offset * width, (offset + count) * width))
    return { dtype, shape, data }
  }
  const from = arrayOf(dtype, bytes.subarray(0, stored * width))
  return { dtype, shape, data: gather(from, offset, shape, strides, count, dtype, width) }
}

function gather(
  from: ArrayData,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
  count: number,
  dtype: DTypeName,
  width: number,
): ArrayData {
  const to = arrayOf(dtype, new Uint8Array(count * width))
  const index = shape.map(() => 0)
  let at = offset
  for (let i = 0; i < count; i++) {
    to[i] = from[at]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]!++
      at += strides[axis]!
      if (index[axis]! < shape[axis]!) break
      at -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return to
}
