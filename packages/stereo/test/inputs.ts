import { createPictures, greyOf, type Pictures } from '@clipgstream/stereo'
import { createRandom, type Device } from '@clipgstream/tensor'
import { normalOf } from './oracle.js'
import { ring, type Shot, shoot } from './scene.js'

const taken = new Map<string, readonly Shot[]>()

/** The scene from `count` cameras, 18 degrees apart; made once. */
export function shots(count: number, width: number, height: number): readonly Shot[] {
  const key = `${count} ${width} ${height}`
  const known = taken.get(key) ?? ring(count, width, height).map((view) => shoot(view))
  taken.set(key, known)
  return known
}

export function picturesOf(device: Device, captures: readonly Shot[]): Pictures {
  return createPictures(
    device,
    captures.map(({ view }) => view),
    captures.map(({ image }) => greyOf(image)),
  )
}

/**
 * Planes near the surface // [height, width, 4]: depths within `spread` of the truth, slants at random, a share of `wrong`
 * ones anywhere. The cost is random in [0, 1).
 */
export function planesNear({ view, depths }: Shot, seed: number, spread: number, wrong = 0): Float32Array<ArrayBuffer> {
  const random = createRandom(seed)
  const planes = new Float32Array(4 * depths.length)
  depths.forEach((depth, pixel) => {
    const [x, y] = [pixel % view.width, Math.floor(pixel / view.width)]
    const factor = random.uniform() < wrong ? 0.3 + 2 * random.uniform() : 1 + spread * (2 * random.uniform() - 1)
    const rho = 1 / (depth * factor)
    const slant = () => (0.4 * rho * (2 * random.uniform() - 1)) / view.fx
    const plane = [rho, slant(), slant()]
    // A normal that faces away is none.
    if (normalOf(view, plane, x, y)[2] > 0) planes.set(plane, 4 * pixel)
    else planes.set([rho, 0, 0], 4 * pixel)
    planes[4 * pixel + 3] = random.uniform()
  })
  return planes
}
