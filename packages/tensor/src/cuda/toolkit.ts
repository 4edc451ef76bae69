import { readFile } from 'node:fs/promises'
import { DeviceUnavailableError } from '../errors.js'
import type { Driver } from './driver.js'

/** The build tool says here which toolkit made the kernels. */
const manifest = new URL('../../dist/kernels/cuda.json', import.meta.url)

/** A driver runs kernels of toolkits up to its own major version. */
export async function checkToolkit(driver: Driver): Promise<void> {
  const text = await readFile(manifest, 'utf8').catch(() => undefined)
  // Without kernels the device still moves memory; loading a module says that they are not built.
  if (text === undefined) return
  const { toolkit } = JSON.parse(text) as { toolkit: string }
  const version = driver.integer('cuDriverGetVersion')
  if (Math.floor(version / 1000) >= Number.parseInt(toolkit, 10)) return
  const own = `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`
  const reason = `the NVIDIA driver is too old: it runs CUDA ${own}, the kernels were built with ${toolkit}`
  throw new DeviceUnavailableError('cuda', reason, 'Install a newer driver (CUDA 13 needs 580)')
}
