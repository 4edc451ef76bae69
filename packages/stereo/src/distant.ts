import { pixelOf, sceneExtent, type View } from '@clipgstream/camera'
import { ArgumentError, createRandom } from '@clipgstream/tensor'
import type { StereoCloud } from './fuse.js'
import type { Capture } from './pictures.js'

export interface DistantOptions {
  /** Points wanted; fewer come where little is uncovered. Default 5000. */
  readonly count?: number
  /** Of the sphere around the mean of the cameras, world units. Default 20 times the scene's radius. */
  readonly radius?: number
  readonly seed?: number
}

/** Pixels of a cell of the raster in which a view is covered by the cloud or not. */
const cellPixels = 8
/** Random directions for a point that is wanted. */
const triesPerPoint = 20

/**
 * Random points on a far sphere where a picture shows something and the cloud has nothing: for sky, and for what is too
 * far or too smooth for stereo. A point is kept when a view sees it in a cell of 8 x 8 pixels without any of the cloud's
 * points; its colour is the mean over those views.
 */
export function distantPoints(
  captures: readonly Capture[],
  cloud: Pick<StereoCloud, 'count' | 'positions'>,
  options: DistantOptions = {},
): StereoCloud {
  const views = captures.map(({ view }) => view)
  const extent = sceneExtent(views)
  const { count = 5000, radius = 20 * extent.radius, seed = 1 } = options
  if (!(Number.isInteger(count) && count >= 0))
    throw new ArgumentError('distantPoints', 'count', count, 'an integer from 0 on')
  if (!(radius > extent.radius && radius < Number.POSITIVE_INFINITY))
    throw new ArgumentError('distantPoints', 'radius', radius, `beyond the cameras (${extent.radius})`)
  const rasters = views.map((view) => coverageOf(view, cloud))
  const random = createRandom(seed)
  const found: number[] = []
  const colours: number[] = []
  const normals: number[] = []
  for (let tried = 0; tried < triesPerPoint * count && found.length < 3 * count; tried++) {
    const d = [random.normal(), random.normal(), random.normal()]
    const norm = Math.hypot(...d)
    if (!(norm > 0)) continue
    const point = extent.centre.map((value, i) => value + (radius * d[i]!) / norm)
    const colour = [0, 0, 0]
    let seen = 0
    captures.forEach(({ view, image }, i) => {
      const pixel = pixelOf(view, point[0]!, point[1]!, point[2]!)
      if (!pixel || rasters[i]?.[cellOf(view, pixel.x, pixel.y)] !== 0) return
      seen++
      for (let c = 0; c < 3; c++) colour[c]! += image.data[3 * (pixel.y * view.width + pixel.x) + c]!
    })
    if (seen === 0) continue
    found.push(...point)
    colours.push(...colour.map((sum) => Math.round(sum / seen)))
    normals.push(...d.map((value) => -value / norm))
  }
  return {
    count: found.length / 3,
    positions: Float32Array.from(found),
    colors: Uint8Array.from(colours),
    normals: Float32Array.from(normals),
  }
}

/** A byte a cell: 1 where a point of the cloud is seen. */
function coverageOf(view: View, { count, positions }: Pick<StereoCloud, 'count' | 'positions'>): Uint8Array {
  const raster = new Uint8Array(Math.ceil(view.width / cellPixels) * Math.ceil(view.height / cellPixels))
  for (let i = 0; i < 3 * count; i += 3) {
    const pixel = pixelOf(view, positions[i]!, positions[i + 1]!, positions[i + 2]!)
    if (pixel) raster[cellOf(view, pixel.x, pixel.y)] = 1
  }
  return raster
}

function cellOf(view: View, x: number, y: number): number {
  return Math.floor(y / cellPixels) * Math.ceil(view.width / cellPixels) + Math.floor(x / cellPixels)
}
