import { ClipgstreamError } from '../errors.js'

/** WebGPU refused a command, or a kernel did not compile. What came of it is not to be used. */
export class WebgpuError extends ClipgstreamError {
  constructor(
    /** What the implementation says. */
    readonly detail: string,
    /** `module.entry`, where it is known. */
    readonly kernel?: string,
    /** What was bound: `image=photos [3, 4], target=...`. */
    readonly bindings?: string,
  ) {
    const where = kernel ? `kernel ${kernel}${bindings ? ` (${bindings})` : ''}: ` : ''
    const remedy = kernel ? '' : '. CLIPGSTREAM_WEBGPU_BLOCKING=1 names the kernel'
    super(`webgpu: ${where}${detail}${remedy}`)
  }
}

/** The GPU went away: a driver reset, a removed card, a sleeping browser tab. The device cannot be used any more. */
export class DeviceLostError extends ClipgstreamError {
  constructor(
    readonly device: string,
    readonly reason: string,
  ) {
    super(
      `device ${device} was lost: ${reason.replace(/\.+$/, '')}. Make a new device and resume from the last checkpoint`,
    )
  }
}

/** A tensor is larger than what a kernel can bind. */
export class BindingLimitError extends ClipgstreamError {
  constructor(
    readonly device: string,
    readonly tensor: string,
    readonly bytes: number,
    readonly limit: number,
  ) {
    super(
      `tensor ${tensor} has ${bytes} bytes, a buffer of device ${device} at most ${limit}. ` +
        'Cut it in pieces, use a smaller preset or another device',
    )
  }
}

const labels =
  /\[(?:Invalid )?(?:ComputePipeline|BindGroup|ComputePassEncoder|ShaderModule)[^"\]]*"([^"(]+?)(?: \(([^"]*)\))?"\]/

/** Our labels are `module.entry (bindings)`, and implementations repeat them. */
export function webgpuError(message: string, kernel?: string, bindings?: string): WebgpuError {
  const found = labels.exec(message)
  return new WebgpuError(message.trim(), kernel ?? found?.[1], bindings ?? found?.[2])
}
