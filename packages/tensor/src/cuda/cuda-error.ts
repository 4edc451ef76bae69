import { ClipgstreamError } from '../errors.js'

const remedies: Readonly<Record<string, string>> = {
  CUDA_ERROR_INVALID_VALUE: 'An argument is out of the range that the driver takes',
  CUDA_ERROR_OUT_OF_MEMORY: 'Use a smaller preset, or free memory on the GPU (nvidia-smi shows who uses it)',
  CUDA_ERROR_INVALID_DEVICE: 'There is no such GPU; nvidia-smi -L lists them',
  CUDA_ERROR_NO_BINARY_FOR_GPU: 'The kernels are built for compute capability 7.5 and newer',
  CUDA_ERROR_INVALID_PTX: 'The driver is older than the kernels: install driver 580 or newer',
  CUDA_ERROR_UNSUPPORTED_PTX_VERSION: 'The driver is older than the kernels: install driver 580 or newer',
  CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: 'The block needs more registers or shared memory than a multiprocessor has',
  CUDA_ERROR_ILLEGAL_ADDRESS:
    'A kernel read or wrote outside of its tensors; the GPU cannot be used any more in this process. ' +
    'CLIPGSTREAM_CUDA_BLOCKING=1 names the kernel, compute-sanitizer the line',
  CUDA_ERROR_MISALIGNED_ADDRESS:
    'A kernel used an address that its vector width does not allow; the GPU cannot be used any more in this process. ' +
    'CLIPGSTREAM_CUDA_BLOCKING=1 names the kernel, compute-sanitizer the line',
  CUDA_ERROR_LAUNCH_TIMEOUT: 'The kernel ran longer than the driver allows on a GPU that also draws the screen',
  CUDA_ERROR_STREAM_CAPTURE_UNJOINED: 'Join every fork before the end of the captured work',
}

/** A call of the CUDA driver failed. */
export class CudaError extends ClipgstreamError {
  constructor(
    readonly call: string,
    readonly code: number,
    /** CUDA's name of the code, such as CUDA_ERROR_OUT_OF_MEMORY. */
    readonly codeName: string,
  ) {
    super(`cuda: ${call} returned ${codeName} (${code}). ${remedies[codeName] ?? 'See the CUDA driver API for it'}`)
  }
}

/** Something was asked for inside of captured work that a graph cannot repeat. */
export class CaptureError extends ClipgstreamError {
  constructor(
    readonly operation: string,
    readonly remedy: string,
  ) {
    super(`cuda: ${operation} cannot be captured in a graph. ${remedy}`)
  }
}
