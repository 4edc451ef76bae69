import type { Image } from '@clipgstream/eval'
import { createRandom, type Random } from '@clipgstream/tensor'

/** Bytes of noise over waves, so that similarity is neither 0 nor 1. */
export function picture(width: number, height: number, seed: number, noise = 40): Image {
  const random = createRandom(seed)
  const data = new Uint8Array(width * height * 3)
  for (let i = 0; i < data.length; i++) {
    const [pixel, channel] = [Math.floor(i / 3), i % 3]
    const wave = Math.sin((pixel % width) / 5 + channel) + Math.cos(Math.floor(pixel / width) / 7)
    data[i] = Math.min(255, Math.max(0, 128 + 50 * wave + noise * (random.uniform() - 0.5)))
  }
  return { width, height, data }
}

export function floats({ width, height, data }: Image): Image {
  return { width, height, data: Float32Array.from(data, (value) => value / 255) }
}

/** The image with every value moved by at most `amount` levels. */
export function disturbed({ width, height, data }: Image, random: Random, amount: number): Image {
  const moved = Uint8Array.from(data, (value) =>
    Math.min(255, Math.max(0, value + Math.round((2 * random.uniform() - 1) * amount))),
  )
  return { width, height, data: moved }
}
