import { IoError } from '@clipgstream/io'
import { expect } from 'vitest'

export const text = (content: string) => new TextEncoder().encode(content)

export function concat(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

/** The message of the error that `run` ends with; fails when it is not one of ours. */
export async function failure(run: () => unknown): Promise<string> {
  try {
    await run()
  } catch (error) {
    expect(error).toBeInstanceOf(IoError)
    return error instanceof IoError ? `${error.name}: ${error.message}` : ''
  }
  return expect.fail('no error')
}

/** Runs a parser on any input: it may succeed or end with one of our errors, and must not take long. */
export async function survives(run: () => unknown): Promise<void> {
  const start = performance.now()
  try {
    await run()
  } catch (error) {
    if (!(error instanceof IoError)) throw error
  }
  expect(performance.now() - start).toBeLessThan(2000)
}

/** Little-endian bytes of a number. */
export function le(value: number | bigint, bytes: number): number[] {
  let rest = BigInt.asUintN(bytes * 8, BigInt(value))
  return Array.from({ length: bytes }, () => {
    const low = Number(rest & 255n)
    rest >>= 8n
    return low
  })
}

export function f64(...values: readonly number[]): number[] {
  return [...new Uint8Array(Float64Array.from(values).buffer)]
}
