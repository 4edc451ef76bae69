import type { Tensor } from '@clipgstream/tensor'

/** Shape of a 4D multiresolution hash grid (Müller et al. 2022), over (x, y, z, t) in [0, 1]. */
export interface HashGridConfig {
  /** Resolution levels L. */
  levels: number
  /** Features per entry F: 1, 2, 4 or 8. */
  features: number
  /** A level has at most 2^log2TableSize entries. */
  log2TableSize: number
  /** Vertices per spatial axis of level 0. */
  baseResolution: number
  /** Factor between the spatial resolutions of neighbouring levels. */
  growth: number
  /** Vertices of the time axis at level 0; the spatial resolution when left out. */
  timeBaseResolution?: number
  /** Growth of the time axis; the spatial growth when left out. 1 keeps it constant. */
  timeGrowth?: number
  /**
   * `exact` decides between dense and hashed indexing without overflow. `wrapping` repeats tiny-cuda-nn before June
   * 2025, whose uint32 stride wraps to zero for resolutions of 2^16 and more, so that such levels ignore z and t.
   */
  indexing: 'exact' | 'wrapping'
}

export interface GridLevel {
  /** Vertices per spatial axis, R. */
  resolution: number
  /** Vertices of the time axis. */
  timeResolution: number
  /** Entries of this level. */
  entries: number
  /** First entry of this level in the table. */
  offset: number
  /** How a corner finds its entry. */
  indexing: 'dense' | 'hashed' | 'wrapped'
}

export interface HashGridInputs {
  /** [N, 4] (x, y, z, t), each in [0, 1]; a row with any component outside (or NaN) encodes to zeros and gets no gradient. */
  points: Tensor<'f32'>
  /** [1] how many rows of `points` are in use; all when left out. Output rows behind it are undefined. */
  count?: Tensor<'u32'>
}

/**
 * encoded[n, l F + f] = sum over the 16 corners c of the cell of p = (R_l - 1) x + 0.5 of weight(c) table[entry_l(c), f]
 *
 * Dense levels index x fastest, modulo the level's entries; hashed ones by
 * (g0 xor g1 2654435761 xor g2 805459861 xor g3 3674653429) mod entries, in uint32 arithmetic.
 */
export interface HashGrid {
  readonly config: HashGridConfig
  readonly layout: readonly GridLevel[]
  /** Entries of all levels, E. */
  readonly entries: number
  /** L F. */
  readonly width: number
  /** table // [E, F]; returns encoded // [N, L F] */
  forward(inputs: HashGridInputs, table: Tensor<'f32'>): Tensor<'f32'>
  /** vEncoded // [N, L F]; adds to vTable // [E, F] */
  backward(inputs: HashGridInputs, vEncoded: Tensor<'f32'>, vTable: Tensor<'f32'>): void
}
