import { concat, le, text } from './helpers.js'

// The opcodes of pickles, as torch.save writes them.
export type Part = Uint8Array | readonly number[]
export const global = (module: string, name: string): Part => concat(text('c'), text(`${module}\n${name}\n`))
export const str = (value: string): Part => concat([0x58], le(text(value).length, 4), text(value))
/** A string of Python 2. */
export const oldStr = (value: string): Part => concat([0x55, text(value).length], text(value))
export const int = (value: number): Part => (value >= 0 && value < 256 ? [0x4b, value] : concat([0x4a], le(value, 4)))
export const long = (value: bigint, bytes: number): Part => concat([0x8a, bytes], le(value, bytes))
export const tuple = (...items: readonly Part[]): Part => concat([0x28], ...items, [0x74])
export const list = (...items: readonly Part[]): Part => concat([0x5d, 0x28], ...items, [0x65])
export const dict = (...items: readonly Part[]): Part => concat([0x7d, 0x28], ...items, [0x75])
export const pickle = (value: Part): Uint8Array => concat([0x80, 2], value, [0x2e])
export const none: Part = [0x4e]
export const yes: Part = [0x88]
export const no: Part = [0x89]
export const orderedDict = concat(global('collections', 'OrderedDict'), [0x29, 0x52])

export interface Window {
  readonly type?: string
  readonly key?: string
  readonly offset?: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]
  /** Elements of the storage. */
  readonly count?: number
  /** The last part of a storage's name before PyTorch 1.6. */
  readonly view?: Part
  readonly text?: (value: string) => Part
  /** `_rebuild_tensor` has no arguments after the strides. */
  readonly rebuild?: '_rebuild_tensor' | '_rebuild_tensor_v2'
}
export function tensor(window: Window): Part {
  const { type = 'FloatStorage', key = '0', offset = 0, shape, strides, count = 6, view, text = str } = window
  const { rebuild = '_rebuild_tensor_v2' } = window
  const names = [text('storage'), global('torch', type), text(key), text('cuda:0'), int(count)]
  const storage = concat(tuple(...names, ...(view ? [view] : [])), [0x51])
  const shapes = [int(offset), tuple(...shape.map(int)), tuple(...strides.map(int))]
  const rest = rebuild === '_rebuild_tensor' ? [] : [no, orderedDict]
  return concat(global('torch._utils', rebuild), tuple(storage, ...shapes, ...rest), [0x52])
}
export const state = (entries: Record<string, Part>): Uint8Array =>
  pickle(concat(orderedDict, [0x28], ...Object.entries(entries).flatMap(([name, value]) => [str(name), value]), [0x75]))
/** What Python 2 makes of an OrderedDict. */
export const oldDict = (entries: Record<string, Part>): Part =>
  concat(
    global('collections', 'OrderedDict'),
    list(...Object.entries(entries).map(([name, value]) => list(oldStr(name), value))),
    [0x85, 0x52],
  )
export const matrix: Window = { shape: [2, 3], strides: [3, 1] }
