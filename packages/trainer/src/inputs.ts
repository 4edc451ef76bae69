import type { View } from '@clipgstream/camera'
import { viewRows } from '@clipgstream/gaussians'
import type { Background } from '@clipgstream/rasterizer'
import type { Device, Tensor } from '@clipgstream/tensor'

/** A photograph and the camera that took it. */
export interface Shot {
  view: View
  /** Row of the camera's colour map. */
  colorRow: number
  target: Tensor<'u8'> // [H, W, 3]
}

/** What a step is shown: photographs of one time step, by different cameras. */
export interface Example {
  /** Inside the clip. */
  time: number
  shots: readonly Shot[]
}

/** An example on the device, where a captured step finds other values every time. */
export interface StepInputs {
  views: Tensor<'f32'> // [shots, 18] rows of `viewRows`
  time: Tensor<'f32'> // [1]
  shots: readonly ShotInputs[]
}

export interface ShotInputs {
  /** For the rasterizer; one that stays on the device has a background of its own. */
  view: View
  background: Background | undefined
  colorRow: Tensor<'u32'> // [1]
  target: Tensor<'u8'> // [H, W, 3]
}

/** The inputs of one step; they belong to the scope that is open. */
export function uploadExample(device: Device, { time, shots }: Example, background: Background): StepInputs {
  return {
    views: device.from(viewRows(shots.map(({ view }) => view)), [shots.length, 18], 'views'),
    time: device.from(Float32Array.of(time), [1], 'time'),
    shots: shots.map(({ view, colorRow, target }) => ({
      view,
      background,
      colorRow: device.from(Uint32Array.of(colorRow), [1], 'colour row'),
      target,
    })),
  }
}
