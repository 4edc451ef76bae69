import { createRandom } from '@clipgstream/tensor'

/** A smooth picture with some noise, and another one near it: what a half-trained model and its target look like. */
export function pictures(height: number, width: number, seed: number) {
  const random = createRandom(seed)
  const n = height * width * 3
  const image = new Float32Array(n)
  const target = new Uint8Array(n)
  const phase = [random.uniform() * 6, random.uniform() * 6, random.uniform() * 6]
  for (let i = 0; i < n; i++) {
    const row = Math.floor(i / (width * 3))
    const column = Math.floor(i / 3) % width
    const wave = 0.5 + 0.35 * Math.sin(row / 7 + column / 9 + phase[i % 3]!)
    target[i] = Math.round(255 * Math.min(1, Math.max(0, wave + 0.05 * random.normal())))
    image[i] = wave + 0.1 * Math.cos(row / 5) + 0.05 * random.normal()
  }
  return { image, target }
}

export function normals(length: number, seed: number, scale = 1): Float32Array<ArrayBuffer> {
  const random = createRandom(seed)
  return Float32Array.from({ length }, () => scale * random.normal())
}

/** Positive, over a few orders of magnitude. */
export function positives(length: number, seed: number): Float32Array<ArrayBuffer> {
  return normals(length, seed, 1.5).map((value) => Math.exp(value - 3))
}
