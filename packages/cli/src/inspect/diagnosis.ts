import type { RgbImage } from '@clipgstream/io'
import { asItIs, type Mapping, mappedScore } from './agreement.js'
import type { Seen } from './visible.js'

/** An explanation of images that do not fit their camera, with the agreement that it would have. */
export interface Explanation {
  readonly kind: 'flipped' | 'other-camera' | 'intrinsics'
  readonly text: string
  readonly score: number
  /** For `other-camera`: whose images these seem to be. */
  readonly camera?: number
}

const most = 1500
/** What an explanation has to be better by. */
const margin = 0.1
const fineMargin = 0.08

const flips: readonly { readonly text: string; readonly mapping: Mapping }[] = [
  { text: 'mirrored left to right', mapping: (u, v) => [1 - u, v] },
  { text: 'upside down (mirrored top to bottom)', mapping: (u, v) => [u, 1 - v] },
  { text: 'turned by 180 degrees', mapping: (u, v) => [1 - u, 1 - v] },
]

export interface Suspect {
  readonly camera: number
  readonly seen: Seen
  readonly score: number
  /** Principal point in shares of the image's size, and the size in pixels. */
  readonly centre: readonly [number, number]
  readonly size: readonly [number, number]
}

/** The best reason for which a camera's images may agree badly with the points, null when none is better than none. */
export function explain(
  suspect: Suspect,
  colors: Uint8Array,
  images: readonly (RgbImage | null)[],
): Explanation | null {
  const seen = fewer(suspect.seen)
  const own = images[suspect.camera]
  if (!own) return null
  const found: Explanation[] = []
  for (const { text, mapping } of flips) {
    found.push({ kind: 'flipped', text, score: mappedScore(seen, colors, own, mapping).score })
  }
  images.forEach((image, camera) => {
    if (!image || camera === suspect.camera) return
    const { score } = mappedScore(seen, colors, image, asItIs)
    found.push({ kind: 'other-camera', text: '', score, camera })
  })
  const best = found.reduce((a, b) => (b.score > a.score ? b : a))
  const fitted = fitIntrinsics(suspect, seen, colors, own)
  // A camera that is a little off may look much like its neighbour: what changes least comes first.
  if (fitted && fitted.score > best.score - margin) return fitted
  return best.score > suspect.score + margin ? best : null
}

/** Another focal length and principal point, where the image then agrees clearly better. */
function fitIntrinsics(
  { centre: [cx, cy], size: [width, height] }: Suspect,
  seen: Seen,
  colors: Uint8Array,
  image: RgbImage,
): Explanation | null {
  const at = (zoom: number, dx: number, dy: number): number => {
    const mapping: Mapping = (u, v) => [cx + zoom * (u - cx) + dx, cy + zoom * (v - cy) + dy]
    const { points, score } = mappedScore(seen, colors, image, mapping)
    // A zoom that throws most points out is none.
    return points > 0.4 * seen.points.length ? score : 0
  }
  const start = { zoom: 1, dx: 0, dy: 0, score: at(1, 0, 0) }
  let best = start
  const attempt = (zoom: number, dx: number, dy: number) => {
    const value = at(zoom, dx, dy)
    if (value > best.score) best = { zoom, dx, dy, score: value }
  }
  for (let zoom = 0.6; zoom <= 1.6; zoom += 0.05) attempt(zoom, 0, 0)
  for (let i = -6; i <= 6; i++) for (let j = -6; j <= 6; j++) attempt(1, i * 0.015, j * 0.02)
  for (let step = 1; step > 0.05; step /= 2) {
    for (let again = 0; again < 3; again++) {
      const { zoom, dx, dy } = best
      for (const sign of [-1, 1]) {
        attempt(zoom + sign * 0.025 * step, dx, dy)
        attempt(zoom, dx + sign * 0.01 * step, dy)
        attempt(zoom, dx, dy + sign * 0.01 * step)
      }
    }
  }
  const much = Math.abs(best.zoom - 1) > 0.015 || Math.hypot(best.dx, best.dy) > 0.01
  if (!much || best.score < start.score + fineMargin) return null
  const text = `focal lengths times ${best.zoom.toFixed(2)} and the principal point moved by (${(best.dx * width).toFixed(1)}, ${(best.dy * height).toFixed(1)}) pixels`
  return { kind: 'intrinsics', text, score: best.score }
}

function fewer(seen: Seen): Seen {
  const step = Math.ceil(seen.points.length / most)
  if (step <= 1) return seen
  const kept = [...seen.points.keys()].filter((i) => i % step === 0)
  return {
    ...seen,
    points: Uint32Array.from(kept, (i) => seen.points[i]!),
    places: Float32Array.from(kept.flatMap((i) => [seen.places[2 * i]!, seen.places[2 * i + 1]!])),
  }
}
