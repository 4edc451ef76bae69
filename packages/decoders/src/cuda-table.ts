import type { Tensor } from '@clipgstream/tensor'
import type { CudaArgument } from '@clipgstream/tensor/cuda'
import type { Head, HeadParameters } from './contract.js'

/** Heads of a launch, as in the kernels. */
export const maxHeads = 8
/** Of one head of the table. */
export const headSignature = 'ppppppppppiiii'

const activations = { none: 0, relu: 1, sigmoid: 2 }

/** Heads that are launched together. */
export interface HeadGroup {
  /** Of the first head. */
  start: number
  heads: readonly Head[]
  /** Where each head's hidden units begin in a row of what is kept of them. */
  columns: readonly number[]
}

/** The table of heads of each group, member for member as the kernels' `Head`; unused entries are 0. */
export function tablesOf(
  groups: readonly HeadGroup[],
  parameters: readonly HeadParameters[],
  outputs: readonly Tensor[],
  vOutputs: readonly Tensor[] = [],
  vParameters: readonly HeadParameters[] | null = null,
): CudaArgument[][] {
  return groups.map(({ heads, columns, start }) => {
    const table = heads.flatMap((head, i) => [
      ...tensorsOf(parameters[start + i]),
      ...[outputs[start + i] ?? null, vOutputs[start + i] ?? null],
      ...tensorsOf(vParameters?.[start + i]),
      ...[head.hidden, head.outputs, activations[head.activation], columns[i] ?? 0],
    ])
    while (table.length < maxHeads * headSignature.length) table.push(0)
    return table
  })
}

function tensorsOf(set: HeadParameters | undefined): CudaArgument[] {
  // Kernels see from b1 and b2 whether sums over columns are wanted; frozen gradients are not looked at.
  return [set?.w1 ?? null, set?.b1 ?? null, set?.w2 ?? null, set?.b2 ?? null]
}
