import { type DeviceName, deviceNames, isDeviceName } from '@clipgstream/tensor'
import { InvalidArgumentError } from 'commander'

// Parsers of option values. What they throw is printed with the option's name.

export function parseDevice(text: string): DeviceName {
  if (!isDeviceName(text)) throw new InvalidArgumentError(`expected one of ${deviceNames.join(', ')}, or cuda:1`)
  return text
}

/** `cuda:0,cuda:1`; a device may come twice. */
export function parseDevices(text: string): DeviceName[] {
  return text.split(',').map((part) => {
    const name = part.trim()
    if (isDeviceName(name) && name !== 'auto') return name
    throw new InvalidArgumentError(
      `expected devices such as cuda:0,cuda:1, each one of ${deviceNames.filter((known) => known !== 'auto').join(', ')}`,
    )
  })
}

export function parseCount(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('expected a positive integer')
  return value
}

export function parseSeed(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('expected a non-negative integer')
  return value
}

export function parseNumber(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number')
  return value
}

/** `3` or `10-19`, both ends included; ranges and single numbers separated by commas. */
export function parseIndices(text: string): number[] {
  const indices = new Set<number>()
  for (const part of text.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim())
    const first = Number(match?.[1])
    const last = Number(match?.[2] ?? match?.[1])
    if (!match || last < first || last - first > 1e6) {
      throw new InvalidArgumentError(`expected numbers and ranges such as 0,4,10-19, got ${part || 'nothing'}`)
    }
    for (let index = first; index <= last; index++) indices.add(index)
  }
  return [...indices].sort((a, b) => a - b)
}

/** `0-19`, both ends included. */
export function parseRange(text: string): readonly [number, number] {
  const match = /^(\d+)-(\d+)$/.exec(text.trim())
  const range = [Number(match?.[1]), Number(match?.[2])] as const
  if (!match || range[1] < range[0]) throw new InvalidArgumentError('expected a range such as 0-19')
  return range
}

/** `1352x1014` */
export interface ImageSize {
  width: number
  height: number
}

/** Repeated sizes collect. */
export function parseSize(text: string, collected: readonly ImageSize[] = []): readonly ImageSize[] {
  const match = /^(\d+)x(\d+)$/.exec(text.trim())
  const size = { width: Number(match?.[1]), height: Number(match?.[2]) }
  if (!match || size.width < 1 || size.height < 1) throw new InvalidArgumentError('expected a size such as 1352x1014')
  return [...collected, size]
}

/** Repeated options collect. */
export function collect(text: string, collected: readonly string[] = []): readonly string[] {
  return [...collected, text]
}
