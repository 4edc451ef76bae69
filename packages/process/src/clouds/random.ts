import type { View } from '@clipgstream/camera'
import { depthRange } from '@clipgstream/stereo'
import { createRandom } from '@clipgstream/tensor'
import type { ColoredCloud } from './merge.js'

/** Random rays for a point that is wanted. */
const tries = 100

/**
 * Random points of the space that several cameras see: on a ray through a random pixel of a random camera, at a random
 * inverse depth between the nearest and the farthest that is searched there; kept when as many other cameras as `others` have
 * it in the picture. Grey. For rigs whose pictures have too little in common for stereo.
 */
export function randomPoints(views: readonly View[], count: number, others: number, seed = 1): ColoredCloud {
  const random = createRandom(seed)
  const ranges = views.map((_, i) => depthRange(views, i))
  const found: number[] = []
  for (let i = 0; i < tries * count && found.length < 3 * count; i++) {
    const which = Math.min(views.length - 1, Math.floor(random.uniform() * views.length))
    const [view, range] = [views[which], ranges[which]]
    if (!view || !range) continue
    const z = 1 / (1 / range.far + random.uniform() * (1 / range.near - 1 / range.far))
    const x = ((random.uniform() * view.width - view.cx) / view.fx) * z
    const y = ((random.uniform() * view.height - view.cy) / view.fy) * z
    const m = view.worldToCamera
    const d = [x - m[3]!, y - m[7]!, z - m[11]!] as const
    const point = [0, 1, 2].map((axis) => m[axis]! * d[0] + m[4 + axis]! * d[1] + m[8 + axis]! * d[2])
    const seen = views.filter((other, j) => j !== which && sees(other, point)).length
    if (seen >= others) found.push(...point)
  }
  return { positions: Float32Array.from(found), colors: new Uint8Array(found.length).fill(128) }
}

function sees(
  { worldToCamera: m, width, height, fx, fy, cx, cy }: View,
  [x = 0, y = 0, z = 0]: readonly number[],
): boolean {
  const depth = m[8]! * x + m[9]! * y + m[10]! * z + m[11]!
  if (!(depth > 0)) return false
  const u = (fx * (m[0]! * x + m[1]! * y + m[2]! * z + m[3]!)) / depth + cx
  const v = (fy * (m[4]! * x + m[5]! * y + m[6]! * z + m[7]!)) / depth + cy
  return u >= 0 && v >= 0 && u <= width && v <= height
}
