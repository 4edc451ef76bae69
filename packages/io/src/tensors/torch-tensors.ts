import { FormatError, shown } from '../errors.js'
import { type ArrayData, arrayOf, type DTypeName, dtypes, type NamedArray } from './array.js'
import {
  type PickleCalls,
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleObject,
  PickleReference,
  type PickleTuple,
  type PickleValue,
} from './pickle.js'

const storageTypes: Readonly<Record<string, DTypeName>> = {
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

/** A storage as the pickle names it. */
export interface StorageRecord {
  readonly dtype: DTypeName
  readonly key: string
  /** What the pickle says of its elements and, before PyTorch 1.6, of the view of them that is meant. */
  readonly count: PickleValue | undefined
  readonly view: PickleValue | undefined
}

/** A tensor as the pickle describes it: a strided window of a storage. */
export class TensorRecord {
  constructor(
    readonly storage: StorageRecord,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

const mostAxes = 32
// More than a state dictionary has; a list that is named again and again may not be copied without end.
const mostPairs = 1_000_000
// A storage that is shared by transposed tensors is copied for each of them.
const mostCopies = 16

/** The only calls in state dictionaries: an OrderedDict, and a tensor over a plain storage, which `found` is told of. */
export function tensorCalls(
  file: string,
  found: (tensor: TensorRecord, where: string) => void = () => {},
): PickleCalls {
  let pairs = 0
  return {
    call(name, args, where) {
      if (name === 'collections.OrderedDict' && args.length <= 1) {
        const [items] = args
        if (items === undefined) return new PickleDict()
        // Python 2 gives the content as a list of pairs.
        if (items instanceof PickleList) {
          pairs += items.items.length
          if (pairs > mostPairs) throw new FormatError(file, where, `at most ${mostPairs} pairs`, 'more')
          return orderedDict(items, file, where)
        }
      }
      if (name === 'torch._utils._rebuild_tensor_v2' || name === 'torch._utils._rebuild_tensor') {
        const tensor = rebuildTensor(args, file, where)
        found(tensor, where)
        return new PickleObject(tensor)
      }
      throw new FormatError(file, where, 'OrderedDict() or a tensor', `a call of ${shown(name)}`)
    },
  }
}

function orderedDict({ items }: PickleList, file: string, where: string): PickleDict {
  const dict = new PickleDict()
  for (const item of items) {
    const pair = item instanceof PickleList ? item.items : Array.isArray(item) ? item : []
    const [key, value] = pair
    if (pair.length !== 2 || key === undefined || value === undefined) {
      throw new FormatError(file, where, 'an OrderedDict of pairs', 'something else')
    }
    dict.entries.set(key, value)
  }
  return dict
}

/** Arguments: storage, offset, shape, strides; since the second version also requires_grad, hooks [, metadata]. */
function rebuildTensor(args: PickleTuple, file: string, where: string): TensorRecord {
  const fail = (expected: string): never => {
    throw new FormatError(file, where, expected, 'something else')
  }
  const [storage, offset, shape, strides] = args
  const id = storage instanceof PickleReference ? storage.id : fail('a storage')
  const [tag, type, key, , count, view] = id
  const dtype = type instanceof PickleGlobal ? storageTypes[type.name] : undefined
  if (tag !== 'storage' || !dtype) {
    return fail(`a storage of a plain type (${Object.keys(storageTypes).join(', ')})`)
  }
  if (typeof key !== 'string' || !/^\d{1,20}$/.test(key)) return fail('a storage key of digits')
  const extents = wholeNumbers(shape) ?? fail(`a shape of at most ${mostAxes} extents`)
  const steps = wholeNumbers(strides) ?? fail('strides')
  if (steps.length !== extents.length) fail('as many strides as extents')
  const [start] = wholeNumbers([offset ?? null]) ?? fail('an offset')
  return new TensorRecord({ dtype, key, count, view }, start ?? 0, extents, steps)
}

/** A tuple of whole numbers that are not negative, at most one for each of 32 axes; null when it is something else. */
export function wholeNumbers(value: PickleValue | undefined): number[] | null {
  if (!Array.isArray(value) || value.length > mostAxes) return null
  const list = value.filter((item): item is number => Number.isSafeInteger(item) && item >= 0)
  return list.length === value.length ? list : null
}

/** The tensors of a state dictionary; `read` gives the bytes of a storage, or of the part that a tensor is a window of. */
export async function tensorsOf(
  state: PickleValue,
  file: string,
  read: (storage: StorageRecord, tensor: string) => Uint8Array | Promise<Uint8Array>,
): Promise<Map<string, NamedArray>> {
  if (!(state instanceof PickleDict)) {
    throw new FormatError(file, 'pickle', 'a dictionary of tensors', 'something else')
  }
  const copied = new Map<string, number>()
  const tensors = new Map<string, NamedArray>()
  for (const [name, value] of state.entries) {
    if (typeof name !== 'string') throw new FormatError(file, 'state', 'names that are strings', shown(name))
    const record = value instanceof PickleObject ? value.content : undefined
    if (!(record instanceof TensorRecord)) {
      throw new FormatError(file, `state ${shown(name)}`, 'a tensor', 'something else')
    }
    const { dtype, key } = record.storage
    const bytes = await read(record.storage, name)
    const array = build(record, dtype, bytes, file, name)
    if (array.data.buffer !== bytes.buffer) {
      const sum = (copied.get(key) ?? 0) + array.data.byteLength
      if (sum > mostCopies * bytes.length) {
        throw new FormatError(
          file,
          `tensor ${shown(name)}`,
          `a storage used at most ${mostCopies} times`,
          'more copies',
        )
      }
      copied.set(key, sum)
    }
    tensors.set(name, array)
  }
  return tensors
}

function build(
  { offset, shape, strides }: TensorRecord,
  dtype: DTypeName,
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
