import type { Tensor } from '@clipgstream/tensor'

/** Shape of a 4D multiresolution hash grid (Müller et al. 2022), over (x, y, z, t) in [0, 1]. */
export interface HashGridConfig {
  /** Resolution levels L, 1 to 32. */
  levels: number
  /** Features per entry F: 1, 2, 4 or 8. */
  features: number
  /** A level has at most 2^log2TableSize entries; 3 to 24. */
  log2TableSize: number
  /** Vertices per spatial axis of level 0. */
  baseResolution: number
  /** Factor between the spatial resolutions of neighbouring levels, at least 1. The finest may have 2^24 vertices. */
  growth: number
  /** Vertices of the time axis at level 0; `baseResolution` when left out. */
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
  /** Cells per spatial axis, s_l = baseResolution growth^l - 1, rounded to f32. */
  scale: number
  /** The same of the time axis. */
  timeScale: number
  /** Vertices per spatial axis, R_l = ceil(s_l) + 1. */
  resolution: number
  /** Vertices of the time axis. */
  timeResolution: number
  /** Entries of this level: all vertices, rounded up to a multiple of 8, or 2^log2TableSize. */
  entries: number
  /** First entry of this level in the table. */
  offset: number
  /** How a corner finds its entry: `hashed` combines the products with `factors` by xor, the others by sum. */
  indexing: 'dense' | 'hashed' | 'wrapped'
  /** What the corner's four coordinates are multiplied with, uint32. */
  factors: readonly [number, number, number, number]
}

export interface GridLayout {
  levels: readonly GridLevel[]
  /** Entries of all levels, E. */
  entries: number
  /** Values of one encoded point, L F. */
  width: number
}

/**
 * How WebGPU, which has no atomics of floats, adds up gradients; other devices do not look at it. `fixed`: in fixed point
 * numbers of 64 bits, in temporary memory twice as large as the table (at most 128 MiB at a time, or one level); bytes are the
 * same every time. `float`: by compare-and-swap, several times slower, without that memory.
 */
export interface HashGridOptions {
  /** `fixed` when left out. */
  gradients?: 'fixed' | 'float'
}

export interface HashGridInputs {
  /** [N, 4] (x, y, z, t), each in [0, 1]; a row with any component outside (or NaN) encodes to zeros and gets no gradient. */
  points: Tensor<'f32'>
  /** [1] how many rows of `points` are in use, at most N; all when left out. Output rows behind it are undefined. */
  count?: Tensor<'u32'>
}

/**
 * encoded[n, l F + f] = sum over the 16 corners c of the cell floor(p) of weight(c) table[entry_l(c), f]
 *
 * p = s_l x + 0.5, rounded once to f32 (a fused multiply-add); weight(c) is the product over the axes of the fraction of
 * p, or one minus it. A dense level is indexed x fastest, g0 + g1 R + g2 R^2 + g3 R^3, modulo its entries (a corner may
 * lie one past the last vertex); a hashed one by (g0 xor g1 2654435761 xor g2 805459861 xor g3 3674653429) modulo its
 * entries, in uint32 arithmetic.
 *
 * Tolerance between devices: `forward` 1e-6 times the largest table value (a weight, its product and the sum of 16 take a few
 * f32 roundings each), `backward` 1e-5 relative plus 1e-5 times the largest gradient (the order of the sum over points).
 * CUDA adds gradients by atomics: `backward` repeats itself within that tolerance only, `forward` to the byte. WebGPU rounds
 * every term of a gradient to 2^-28 of the level's largest, and adds without error; what is not finite becomes NaN there.
 * Where p falls on a cell border the encoding is continuous, so a device that rounds p to the other side loses no more.
 */
export interface HashGrid {
  readonly config: HashGridConfig
  readonly layout: GridLayout
  /** Entries of all levels, E. */
  readonly entries: number
  /** Values of one encoded point, L F. */
  readonly width: number
  /**
   * table // [E, F]; returns encoded // [N, L F]. A table in f16 counts as the numbers that it holds, in f32
   * arithmetic: the bytes are those of the table widened to f32.
   * @throws ShapeError, DTypeError, WrongDeviceError, DisposedError
   */
  forward(inputs: HashGridInputs, table: Tensor<'f32' | 'f16'>): Tensor<'f32'>
  /**
   * vEncoded // [N, L F]; adds to vTable // [E, F]
   * @throws ShapeError, DTypeError, WrongDeviceError, DisposedError
   */
  backward(inputs: HashGridInputs, vEncoded: Tensor<'f32'>, vTable: Tensor<'f32'>): void
}
