import { ArgumentError, check, type Device, ShapeError, type Tensor } from '@clipgstream/tensor'
import { type Match, maxPixels, maxSources, type Pictures, type Place, type Work } from './contract.js'

// What an operator was given, for every device alike.

export function checkPictures(operator: string, device: Device, { words, places }: Pictures): readonly Place[] {
  const [size = 0] = check(operator, device, 'pictures.words', words, 'u32', ['*'])
  for (const [i, { view, first }] of places.entries()) {
    const pixels = view.width * view.height
    if (!(Number.isInteger(first) && first >= 0 && first + pixels <= size))
      throw new ArgumentError(operator, `place ${i}`, `[${first}, ${first + pixels})`, `within the ${size} words`)
    if (!(pixels > 0 && pixels <= maxPixels))
      throw new ArgumentError(operator, `pixels of view ${i}`, pixels, `1 to ${maxPixels}; make the image smaller`)
  }
  return places
}

/** The place of the reference. */
export function checkMatch(operator: string, places: readonly Place[], { reference, sources }: Match): Place {
  const place = places[reference]
  if (!place) throw new ArgumentError(operator, 'reference', reference, `an index below ${places.length}`)
  if (sources.length < 1 || sources.length > maxSources)
    throw new ArgumentError(operator, 'sources', `${sources.length} of them`, `1 to ${maxSources}`)
  for (const source of sources) {
    if (!places[source] || source === reference)
      throw new ArgumentError(operator, 'source', source, `an index below ${places.length} other than the reference`)
  }
  return place
}

/** planes // [H, W, 4] or [N, 4] of at least `pixels` rows of four numbers. */
export function checkPlanes(operator: string, device: Device, name: string, planes: Tensor, pixels: number): void {
  check(operator, device, name, planes, 'f32', planes.shape)
  if (planes.shape.at(-1) !== 4 || planes.size < 4 * pixels)
    throw new ShapeError(operator, `${name} (at least ${pixels} rows)`, ['*', 4], planes.shape)
}

export function checkWork(operator: string, device: Device, work: Work) {
  const places = checkPictures(operator, device, work.pictures)
  const place = checkMatch(operator, places, work.match)
  const { width, height } = place.view
  checkPlanes(operator, device, 'planes', work.planes, (work.base ?? place.first) + width * height)
  check(operator, device, 'chosen', work.chosen, 'u32', [height, width])
  const { best, nearest, farthest } = work.search
  if (!(Number.isInteger(best) && best >= 1 && best <= 4))
    throw new ArgumentError(operator, 'best', best, 'an integer from 1 to 4')
  if (!(farthest > 0 && nearest > farthest && nearest < Number.POSITIVE_INFINITY))
    throw new ArgumentError(operator, 'inverse depths', `${farthest} to ${nearest}`, 'positive and in order')
  return { places, ...place }
}
