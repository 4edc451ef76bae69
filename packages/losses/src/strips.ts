// How the GPU kernels of the photometric loss cut an image: a block goes down a strip of columns, a band of rows high.

/** As in the kernels. */
export const columnsPerStrip = 128

/** Bands of many rows read less twice, but there must be enough blocks to fill a GPU. */
const bands = [64, 32, 16] as const
const enoughBlocks = 700

export interface Strips {
  strips: number
  /** Rows of a band, and the number of bands. */
  band: number
  bands: number
}

export function stripsOf(height: number, width: number): Strips {
  const strips = Math.ceil((3 * width) / columnsPerStrip)
  const band = bands.find((rows) => strips * Math.ceil(height / rows) >= enoughBlocks) ?? bands[2]
  return { strips, band, bands: Math.ceil(height / band) }
}
