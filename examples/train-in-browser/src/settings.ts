import { type DeviceName, isDeviceName } from '@clipgstream/tensor'
import { type PresetName, presetNames } from '@clipgstream/trainer'

export interface Settings {
  device: DeviceName
  preset: PresetName
  /** `optimizer.iterations=200` */
  overrides: string[]
  /** Clips to train; all when null. */
  clips: number[] | null
  /** Of the clouds, evenly; all when null. */
  points: number | null
  /** Size of the view on the page, times that of the photographs. */
  scale: number
  /** Steps between two drawings while nobody moves. */
  every: number
}

/** What can be trained on here; the user chooses, nothing is replaced by something else. */
export const devices: readonly { name: DeviceName; text: string }[] = [
  { name: 'webgpu', text: 'WebGPU, hardware' },
  { name: 'webgpu:swiftshader', text: 'WebGPU, software adapter (slow)' },
  { name: 'wasm', text: 'WebAssembly, threads' },
]

/**
 * Settings of an address such as `?device=wasm&preset=mini&set=optimizer.iterations=200&clips=0&points=500`. What is not
 * there has its default; a value that cannot be is an error in words.
 */
export function settingsFrom(params: URLSearchParams): Settings {
  const device = params.get('device') ?? 'webgpu'
  if (!isDeviceName(device) || !devices.some(({ name }) => name === device))
    throw new Error(`device=${device}: use one of ${devices.map(({ name }) => name).join(', ')}`)
  const wanted = params.get('preset') ?? 'mini'
  const preset = presetNames.find((name) => name === wanted)
  if (!preset) throw new Error(`preset=${wanted}: use one of ${presetNames.join(', ')}`)
  const clips = params.get('clips')
  return {
    device,
    preset,
    overrides: params.getAll('set'),
    clips: clips === null ? null : clips.split(',').map((text) => wholeOf('clips', text, 0)),
    points: params.has('points') ? wholeOf('points', params.get('points'), 1) : null,
    scale: scaleOf(params.get('scale') ?? '1'),
    every: wholeOf('every', params.get('every') ?? '10', 1),
  }
}

function wholeOf(name: string, text: string | null, least: number): number {
  const value = Number(text)
  if (text && Number.isInteger(value) && value >= least) return value
  throw new Error(`${name}=${text}: a whole number of at least ${least} is wanted`)
}

function scaleOf(text: string): number {
  const value = Number(text)
  if (value >= 0.25 && value <= 8) return value
  throw new Error(`scale=${text}: a number from 0.25 to 8 is wanted`)
}
