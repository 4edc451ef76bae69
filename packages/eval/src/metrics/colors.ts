import { type ColorChange, ColorFit, colorChangeOf } from '@clipgstream/io'
import type { FrameMetrics } from '../measured.js'

/** What the colour map that fits a view best over one clip does to grey. */
export interface ViewColors extends ColorChange {
  readonly view: string
  readonly clip: number
}

/** Takes the images of rows one by one and knows behind, once all have been seen, what a colour map would have mended. */
export class ColorFits {
  readonly #fits = new Map<FrameMetrics, ColorFit>()

  add(row: FrameMetrics, render: Uint8Array, truth: Uint8Array): void {
    const fit = new ColorFit()
    fit.add(render, truth)
    this.#fits.set(row, fit)
  }

  /** The rows with `psnr_fitted` after `psnr`, and the maps of each view and clip in the order of their first rows. */
  apply(rows: readonly FrameMetrics[]): { rows: FrameMetrics[]; colors: ViewColors[] } {
    const groups = new Map<string, { view: string; clip: number; fit: ColorFit }>()
    const keyOf = ({ view, clip }: FrameMetrics) => JSON.stringify([view, clip])
    for (const row of rows) {
      const { view, clip } = row
      const group = groups.get(keyOf(row)) ?? { view, clip, fit: new ColorFit() }
      const fit = this.#fits.get(row)
      if (fit) group.fit.merge(fit)
      groups.set(keyOf(row), group)
    }
    const maps = new Map([...groups].map(([key, { fit }]) => [key, fit.solve()]))
    const fitted = rows.map((row): FrameMetrics => {
      const { psnr, ...others } = row.values
      const map = maps.get(keyOf(row))
      const error = map && this.#fits.get(row)?.meanSquaredError(map)
      if (psnr === undefined || error === undefined) return row
      // An image that equals its truth needs no map; rounding would make its PSNR finite.
      const value = psnr === Number.POSITIVE_INFINITY ? psnr : -10 * Math.log10(error)
      return { ...row, values: { psnr, psnr_fitted: value, ...others } }
    })
    const colors = [...groups].map(([key, { view, clip }]) => ({ view, clip, ...colorChangeOf(maps.get(key) ?? []) }))
    return { rows: fitted, colors }
  }
}
