import type { CudaDevice, CudaKernel } from '@clipgstream/tensor/cuda'

/** Arguments by kernel and file, a letter each. */
const signatures = {
  project: { project: 'pppppppupppppp' },
  lists: { countInOrder: 'ppup', listPairs: 'pppppuuppp', finishLists: 'puppp' },
  forward: { forward: 'ppppppupppppppp', draw: 'ppppppupp' },
  backward: { backward: 'pppppppuuppppppppp' },
  gradients: { gradients: 'pppppupppppppp' },
} as const

type Signatures = typeof signatures
export type KernelName = { [File in keyof Signatures]: keyof Signatures[File] }[keyof Signatures]
export type Kernels = Readonly<Record<KernelName, CudaKernel>>

/** @throws DeviceUnavailableError when they are not built */
export async function loadKernels(device: CudaDevice): Promise<Kernels> {
  const kernels = new Map<string, CudaKernel>()
  for (const [file, names] of Object.entries(signatures)) {
    const module = await device.load(new URL(`../dist/kernels/${file}.fatbin`, import.meta.url))
    for (const [name, signature] of Object.entries(names)) kernels.set(name, module.kernel(name, signature))
  }
  return Object.fromEntries(kernels) as Kernels
}
