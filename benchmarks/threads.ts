import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import type { Row, Timing } from './bench.js'

export interface OnThreads<T> {
  one: T
  two: T
}

/** Sets up the same on a device of one thread and on one of two, and disposes both devices after `body`. */
export async function withThreads<T, R>(
  setUp: (device: WasmDevice) => Promise<T>,
  body: (on: OnThreads<T>) => Promise<R>,
): Promise<R> {
  using oneThread = await createWasmDevice({ threads: 1 })
  using twoThreads = await createWasmDevice({ threads: 2 })
  return await body({ one: await setUp(oneThread), two: await setUp(twoThreads) })
}

export interface Measure {
  unit: string
  /** The figure for work that took this long. */
  of(milliseconds: number): number
}

export const inMilliseconds: Measure = { unit: 'ms', of: (milliseconds) => milliseconds }

/** `work` a second, in units of 10^9 or 10^6. */
export function perSecond(work: number, unit: 'GFLOP/s' | 'GB/s' | 'Mpoints/s'): Measure {
  const scale = unit === 'Mpoints/s' ? 1e3 : 1e6
  return { unit, of: (milliseconds) => work / scale / milliseconds }
}

/** A rival's time, and which part of our work it did. */
export interface RivalTime {
  time: Timing
  share?: number
}

/** Two rows: one thread against the rivals, and two threads against one and the rivals. */
export function threadRows(
  what: string,
  measure: Measure,
  { one, two }: OnThreads<Timing>,
  rivals: Readonly<Record<string, RivalTime>>,
): Row[] {
  const ratios = (ours: number) =>
    Object.fromEntries(Object.entries(rivals).map(([name, { time, share = 1 }]) => [name, time.median / share / ours]))
  return [
    {
      what: `${what}, 1 thread`,
      value: measure.of(one.median),
      unit: measure.unit,
      ratios: ratios(one.median),
    },
    {
      what: `${what}, 2 threads`,
      value: measure.of(two.median),
      unit: measure.unit,
      ratios: { '1 thread': one.median / two.median, ...ratios(two.median) },
    },
  ]
}
