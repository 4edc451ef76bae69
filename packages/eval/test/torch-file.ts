import type { WeightTensor } from '@clipgstream/eval'

const bytes = (...values: readonly number[]) => Buffer.from(values)
const number = (value: number) => {
  const content = Buffer.alloc(5, 0x4a)
  content.writeInt32LE(value, 1)
  return content
}
const text = (value: string) => Buffer.concat([bytes(0x55, value.length), Buffer.from(value)])
const global = (name: string) => Buffer.from(`c${name.replace(' ', '\n')}\n`)
const group = (open: number, items: readonly Buffer[], close: number) =>
  Buffer.concat([bytes(open), ...items, bytes(close)])
const tuple = (...items: readonly Buffer[]) => group(0x28, items, 0x74)
const pickle = (...parts: readonly Buffer[]) => group(0x80, [bytes(2), ...parts], 0x2e)

/** A state dictionary as PyTorch before 1.6 wrote it, with a storage for each tensor. */
export function torchFile(tensors: ReadonlyMap<string, WeightTensor>): Buffer {
  const entries = [...tensors].map(([name, tensor], i) => ({ ...tensor, name, key: text(`${94000000 + i}`) }))
  const object = entries.map(({ name, shape, data, key }) => {
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, extent) => product * extent, 1))
    const storage = tuple(
      ...[text('storage'), global('torch FloatStorage'), key, text('cpu'), number(data.length), bytes(0x4e)],
    )
    const window = [number(0), tuple(...shape.map(number)), tuple(...strides.map(number))]
    const tensor = tuple(storage, bytes(0x51), ...window)
    return Buffer.concat([text(name), global('torch._utils _rebuild_tensor'), tensor, bytes(0x52)])
  })
  return Buffer.concat([
    pickle(Buffer.from('8a0a6cfc9c46f9206aa85019', 'hex')),
    pickle(number(1001)),
    pickle(bytes(0x7d, 0x28), text('little_endian'), bytes(0x88, 0x75)),
    pickle(global('collections OrderedDict'), bytes(0x29, 0x52, 0x28), ...object, bytes(0x75)),
    pickle(
      bytes(0x5d),
      ...[
        group(
          0x28,
          entries.map(({ key }) => key),
          0x65,
        ),
      ],
    ),
    ...entries.flatMap(({ data }) => {
      const size = Buffer.alloc(8)
      size.writeBigInt64LE(BigInt(data.length))
      return [size, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]
    }),
  ])
}
