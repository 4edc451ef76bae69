import type { RgbImage } from '@clipgstream/io'
import { letterWidth, writeText } from './lettering.js'

type Color = readonly [number, number, number]

/** An image to draw into. */
export class Canvas implements RgbImage {
  readonly data: Uint8Array

  constructor(
    readonly width: number,
    readonly height: number,
    background: Color = [24, 24, 26],
  ) {
    this.data = new Uint8Array(width * height * 3)
    for (let i = 0; i < this.data.length; i++) this.data[i] = background[i % 3] ?? 0
  }

  dot(x: number, y: number, [r, g, b]: Color): void {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return
    const at = 3 * (y * this.width + x)
    this.data[at] = r
    this.data[at + 1] = g
    this.data[at + 2] = b
  }

  box(x: number, y: number, width: number, height: number, color: Color): void {
    for (let v = y; v < y + height; v++) for (let u = x; u < x + width; u++) this.dot(u, v, color)
  }

  /** An image with its upper left corner at (x, y), its colours times `gain`. */
  draw(image: RgbImage, x: number, y: number, gain = 1): void {
    for (let v = 0; v < image.height; v++) {
      for (let u = 0; u < image.width; u++) {
        const at = 3 * (v * image.width + u)
        this.dot(x + u, y + v, [image.data[at]! * gain, image.data[at + 1]! * gain, image.data[at + 2]! * gain])
      }
    }
  }

  /** Text that is cut to `width` pixels. */
  text(text: string, x: number, y: number, width = this.width, color: Color = [235, 235, 235]): void {
    const most = Math.floor(width / letterWidth)
    writeText(text.length > most ? `${text.slice(0, Math.max(0, most - 2))}..` : text, x, y, (u, v) =>
      this.dot(u, v, color),
    )
  }
}
