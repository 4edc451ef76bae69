import type { RgbImage } from '@clipgstream/io'

/** What is kept of an image after it has been looked at. */
export interface FrameNote {
  readonly hash: string
  /** Mean of the grey levels, 0 to 255. */
  readonly brightness: number
  /** Share of pixels whose grey is below 8 and above 250. */
  readonly dark: number
  readonly bright: number
  /** Mean absolute difference from the image of the frame before, levels; null for the first and after a gap. */
  readonly change: number | null
}

export function noteOf(hash: string, image: RgbImage, before: RgbImage | null): FrameNote {
  const { data } = image
  let [sum, dark, bright] = [0, 0, 0]
  for (let i = 0; i < data.length; i += 3) {
    const grey = (data[i]! + data[i + 1]! + data[i + 2]!) / 3
    sum += grey
    if (grey < 8) dark++
    if (grey > 250) bright++
  }
  const pixels = data.length / 3
  let change: number | null = null
  if (before?.data.length === data.length) {
    change = 0
    for (let i = 0; i < data.length; i++) change += Math.abs(data[i]! - before.data[i]!)
    change /= data.length
  }
  return { hash, brightness: sum / pixels, dark: dark / pixels, bright: bright / pixels, change }
}
