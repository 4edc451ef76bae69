import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import { WasmDevice } from '@clipgstream/tensor/wasm'
import { checkPair, type Image } from '../image.js'
import { type Measured, notAvailable } from '../measured.js'
import { smallestSide } from './nets.js'
import { createNetwork } from './network.js'
import type { LpipsWeights } from './weights.js'

/**
 * What images are brought to before they enter the net. `calibrated`: [-1, 1], for which the heads were trained;
 * `original`: [0, 1], which the original implementation feeds (published values of it compare with this only).
 */
export type LpipsRange = 'calibrated' | 'original'

/** LPIPS v0.1 with one net. */
export interface Lpips extends Disposable {
  /** `lpips-alex`, or `lpips-alex-01` for the range [0, 1]: a value is never named without its net. */
  readonly name: string
  /** What a reader of its values should know; goes into the notes of an evaluation. */
  readonly remark?: string
  /** The distance of two images of one size; not available below the smallest size of the net. */
  measure(first: Image, second: Image): Promise<Measured>
}

/**
 * LPIPS on a device. Weights are not part of this package; `@clipgstream/eval/node` finds them. Throws
 * {@link DeviceUnavailableError} on devices other than wasm, which have no kernels for it.
 */
export async function createLpips(
  device: Device,
  weights: LpipsWeights,
  { range = 'calibrated' }: { range?: LpipsRange } = {},
): Promise<Lpips> {
  if (!(device instanceof WasmDevice)) {
    throw new DeviceUnavailableError(
      device.kind,
      'it has no kernels for LPIPS',
      'Create a wasm device for the evaluation',
    )
  }
  const { net } = weights
  const network = await createNetwork(device, net, weights)
  const smallest = smallestSide(net)
  return {
    name: lpipsName(net, range),
    async measure(first, second) {
      const { width, height } = checkPair('lpips', first, second)
      if (Math.min(width, height) < smallest) {
        return notAvailable(`lpips-${net} needs ${smallest} pixels a side, the images have ${width} x ${height}`)
      }
      return network.distance(prepare(first, range), prepare(second, range), height, width)
    },
    [Symbol.dispose]() {
      network[Symbol.dispose]()
    },
  }
}

export function lpipsName(net: string, range: LpipsRange = 'calibrated'): string {
  return range === 'original' ? `lpips-${net}-01` : `lpips-${net}`
}

// The input of torchvision's backbones, as LPIPS shifts and scales it.
const shift = [-0.03, -0.088, -0.188] as const
const scale = [0.458, 0.448, 0.45] as const

function prepare({ data }: Image, range: LpipsRange): Float32Array {
  const unit = data instanceof Uint8Array ? 1 / 255 : 1
  const [factor, offset] = range === 'calibrated' ? [2 * unit, -1] : [unit, 0]
  const result = new Float32Array(data.length)
  for (let i = 0; i < data.length; i += 3) {
    result[i] = (data[i]! * factor + offset - shift[0]) / scale[0]
    result[i + 1] = (data[i + 1]! * factor + offset - shift[1]) / scale[1]
    result[i + 2] = (data[i + 2]! * factor + offset - shift[2]) / scale[2]
  }
  return result
}
