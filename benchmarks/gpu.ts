import { DeviceUnavailableError } from '@clipgstream/tensor'
import { type CudaDevice, createCudaDevice } from '@clipgstream/tensor/cuda'
import type { Effort, Row } from './bench.js'

/** Runs `body` on the first GPU; without one, says loudly why there are no figures. */
export async function onGpu(body: (device: CudaDevice) => Promise<Row[]>): Promise<Row[]> {
  let device: CudaDevice
  try {
    device = await createCudaDevice()
  } catch (error) {
    if (!(error instanceof DeviceUnavailableError)) throw error
    console.warn(`SKIPPED, nothing was measured: ${error.message}`)
    return []
  }
  using _ = device
  console.log(device.label)
  return await body(device)
}

export interface GpuWork {
  work: () => void
  /** Enqueued before each time, not timed. The work then follows it without a gap. */
  prepare?: () => void
  /** Calls that are timed together, so that launching them hides behind running them; 1 when there is `prepare`. */
  repeat?: number
}

/** Milliseconds of GPU time that a call of `work` takes, the median of several times. */
export async function gpuTime(
  device: CudaDevice,
  { work, prepare, repeat = prepare ? 1 : 20 }: GpuWork,
  { rounds, warmUp }: Effort,
): Promise<number> {
  const times: number[] = []
  for (let round = -warmUp; round < rounds; round++) {
    prepare?.()
    const time = await device.time(() => {
      for (let i = 0; i < repeat; i++) {
        using _ = device.scope()
        work()
      }
    })
    if (round >= 0) times.push(time / repeat)
  }
  times.sort((a, b) => a - b)
  return times[times.length >> 1] ?? Number.NaN
}

/** What others measured on this very device; their figures say nothing about another. */
export function peers(
  device: { readonly label: string },
  milliseconds: number,
  of: Readonly<Record<string, number>>,
): Record<string, number> {
  if (!device.label.includes('H100 80GB HBM3')) return {}
  return Object.fromEntries(Object.entries(of).map(([name, time]) => [name, time / milliseconds]))
}

/** Bytes a second that device memory of an H100 was seen to bear (vector addition). */
export const memoryBandwidth = 3e12

/** A time in two rows: itself, and how near it is to the time that its bytes need at least. */
export function withFloor(row: Row, floor: number): Row[] {
  return [row, { what: `${row.what}, share of the floor`, value: (100 * floor) / row.value, unit: '%' }]
}
