import { DeviceUnavailableError } from '@clipgstream/tensor'
import { createWebgpuDevice, type WebgpuDevice } from '@clipgstream/tensor/webgpu'
import type { Effort, Row } from './bench.js'
import type { GpuWork } from './gpu.js'

/** Runs `body` on the fastest hardware adapter; without one, says loudly why there are no figures. */
export async function onWebgpu(body: (device: WebgpuDevice) => Promise<Row[]>): Promise<Row[]> {
  let device: WebgpuDevice
  try {
    device = await createWebgpuDevice()
  } catch (error) {
    if (!(error instanceof DeviceUnavailableError)) throw error
    console.warn(`SKIPPED, nothing was measured: ${error.message}`)
    return []
  }
  using _ = device
  console.log(device.label)
  return await body(device)
}

/**
 * Milliseconds that a call of `work` takes, the median of several times: of GPU time where the adapter has time stamps, else
 * from the first launch to the end of the last.
 */
export async function webgpuTime(
  device: WebgpuDevice,
  { work, prepare, repeat = prepare ? 1 : 20 }: GpuWork,
  { rounds, warmUp }: Effort,
): Promise<number> {
  const all = () => {
    for (let i = 0; i < repeat; i++) {
      using _ = device.scope()
      work()
    }
  }
  const times: number[] = []
  for (let round = -warmUp; round < rounds; round++) {
    prepare?.()
    await device.synchronize()
    const time = device.features.has('timestamp-query') ? await device.time(all) : await wallTime(device, all)
    if (round >= 0) times.push(time / repeat)
  }
  times.sort((a, b) => a - b)
  return times[times.length >> 1] ?? Number.NaN
}

async function wallTime(device: WebgpuDevice, work: () => void): Promise<number> {
  const started = performance.now()
  work()
  await device.synchronize()
  return performance.now() - started
}
