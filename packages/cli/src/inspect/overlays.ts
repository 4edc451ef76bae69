import type { RgbImage } from '@clipgstream/io'
import { sample } from './agreement.js'
import { Canvas } from './canvas.js'
import type { ClipScene } from './clouds.js'
import { lineHeight } from './lettering.js'

/** Longest side of each picture of an overlay. */
export const overlaySize = 480
const worst = 64

/**
 * The photograph, the points over it in their own colours, and the points by how far they are from the photograph's colour:
 * green agrees, red is 64 levels off.
 */
export function overlay(image: RgbImage, { cloud, seen }: ClipScene, camera: number, title: string): RgbImage {
  const { width, height } = image
  const canvas = new Canvas(3 * width + 8, height + lineHeight + 2)
  canvas.text(title, 2, 2)
  const top = lineHeight + 2
  canvas.draw(image, 0, top)
  canvas.draw(image, width + 4, top, 0.35)
  canvas.draw(image, 2 * width + 8, top, 0.35)
  const own = seen[camera]
  if (!own) return canvas
  const sampled = sample(own, image)
  const size = Math.max(width > 300 ? 2 : 1, Math.min(4, Math.round(own.gap * width * 0.5)))
  own.points.forEach((point, i) => {
    const x = Math.floor(own.places[2 * i]! * width) - (size >> 1)
    const y = Math.floor(own.places[2 * i + 1]! * height) - (size >> 1)
    const [r, g, b] = cloud.colors?.subarray(3 * point, 3 * point + 3) ?? [255, 255, 255]
    const color = [r ?? 0, g ?? 0, b ?? 0] as const
    // Points at the border stay in their own picture.
    if (x < 0 || y < 0 || x + size > width || y + size > height) return
    canvas.box(width + 4 + x, top + y, size, size, color)
    if (!cloud.colors || sampled[3 * i]! < 0) return
    const error = color.reduce((sum, value, c) => sum + Math.abs(value - sampled[3 * i + c]!), 0) / 3
    const t = Math.min(1, error / worst)
    canvas.box(2 * width + 8 + x, top + y, size, size, [255 * Math.min(1, 2 * t), 255 * Math.min(1, 2 - 2 * t), 40])
  })
  return canvas
}
