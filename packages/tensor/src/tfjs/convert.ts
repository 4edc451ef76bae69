import type * as tfjs from '@tensorflow/tfjs-core'
import { type DType, fromF16 } from '../dtype.js'
import { ArgumentError, DisposedError } from '../errors.js'
import type { Device, Tensor } from '../tensor.js'

/** What {@link toTfjs} needs of tfjs: `@tensorflow/tfjs`, `@tensorflow/tfjs-core` or a node binding. */
export type TensorFactory = Pick<typeof tfjs, 'tensor'>

const dtypes = { float32: 'f32', int32: 'i32', bool: 'u8' } as const satisfies Record<string, DType>

/**
 * A copy of a tfjs tensor on `device`: float32 becomes f32, int32 i32, bool u8 (0 or 1). The copy belongs to the scope
 * that is open when this is called; the tfjs tensor stays its owner's, who may dispose it once the promise is settled.
 * @throws ArgumentError for complex64 and string tensors, DisposedError
 */
export function fromTfjs(device: Device, source: tfjs.Tensor<tfjs.Rank>): Promise<Tensor<'f32' | 'i32' | 'u8'>> {
  if (source.isDisposed) throw new DisposedError(`tfjs tensor ${source.id}`)
  if (!isMapped(source.dtype)) {
    throw new ArgumentError('fromTfjs', 'dtype', source.dtype, `one of ${Object.keys(dtypes).join(', ')}`)
  }
  const tensor = device.empty(source.shape, dtypes[source.dtype], `tfjs tensor ${source.id}`)
  const write = async () => {
    const data = await source.data()
    if (source.dtype === 'bool')
      device.write(
        tensor,
        Uint8Array.from(data, (value) => (value ? 1 : 0)),
      )
    else device.write(tensor, data)
    return tensor
  }
  return write().catch((error) => {
    tensor.dispose()
    throw error
  })
}

/**
 * A copy of `tensor` for tfjs: f32 becomes float32, f16 float32 (exactly), i32 and u8 int32, and u32 int32 if it fits.
 * The copy is the caller's to dispose: `tf.tidy` does not see it, because this waits for the device.
 * @throws ArgumentError for a u32 element beyond 2^31 - 1, which tfjs has no dtype for
 */
export async function toTfjs(tensor: Tensor, tf: TensorFactory): Promise<tfjs.Tensor> {
  // A fresh array, since some backends keep what they are given.
  const values = await tensor.read()
  const shape = [...tensor.shape]
  switch (tensor.dtype) {
    case 'f32':
      return tf.tensor(Float32Array.from(values), shape, 'float32')
    case 'f16':
      return tf.tensor(Float32Array.from(values, fromF16), shape, 'float32')
    case 'i32':
    case 'u8':
      return tf.tensor(Int32Array.from(values), shape, 'int32')
    case 'u32': {
      const tooLarge = values.find((value) => value > 0x7fffffff)
      if (tooLarge !== undefined) throw new ArgumentError('toTfjs', tensor.name, tooLarge, 'below 2^31 to fit int32')
      return tf.tensor(Int32Array.from(values), shape, 'int32')
    }
    default:
      throw new ArgumentError('toTfjs', 'dtype', tensor.dtype satisfies never, 'a known dtype')
  }
}

function isMapped(dtype: string): dtype is keyof typeof dtypes {
  return dtype in dtypes
}
