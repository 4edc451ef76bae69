// Names for what the WebGPU kernels are told: places of heads in padded tensors, chunks of rows, settings.
import type { Head, HeadsInputs } from './contract.js'

/** Heads of a launch that tells them apart, as in the kernels. */
export const maxHeads = 8

/** A head and its place in padded tensors, in elements: all multiples of four. */
export interface Placed extends Head {
  hidden4: number
  outputs4: number
  /** In a row of hidden activations, and of gradients before activations. */
  column: number
  outputColumn: number
  /** In panels and partial sums. */
  w2At: number
}

/** Rows [first, last) that are launched together. */
export interface Chunk {
  first: number
  last: number
}

/** Settings of a product, all 0. */
export const noProduct = {
  ...{ first: 0, last: 0, counted: false, tiles: 0, leftAt: 0, leftStride: 0, rightAt: 0, rightStride: 0, biasAt: 0 },
  ...{ resultAt: 0, resultStride: 0, depth: 0, columns: 0, outputs: 0, activation: 0, slots: 0, partialSize: 0 },
  ...{ add: false, headCount: 0, heads: new Uint32Array(8 * maxHeads) },
}
/** Settings of a kernel of packing, all 0. */
export const noPacking = {
  ...{ first: 0, last: 0, counted: false, inputs: 0, hidden: 0, outputs: 0, activation: 0, column: 0, stride: 0 },
  ...{ outputColumn: 0, outputStride: 0, biases: false, w1At: 0, b1At: 0, w2At: 0, b2At: 0, slots: 0 },
  ...{ partialSize: 0, width: 0, fromStride: 0, toStride: 0, fromRow: 0, toRow: 0 },
}

export function range({ count }: HeadsInputs, { first, last }: Chunk) {
  return { first, last, counted: count !== undefined }
}

export function up4(value: number): number {
  return Math.ceil(value / 4) * 4
}
