import type { View } from '@clipgstream/camera'
import { ArgumentError } from '@clipgstream/tensor'
import type { StereoCloud } from '../fuse.js'
import type { Capture } from '../pictures.js'
import { greyOf } from '../pyramid.js'
import { depthRange } from '../range.js'
import { rankSources } from '../sources.js'
import { findCorners } from './corners.js'
import { type CornerView, type MatchOptions, matchCorners } from './match.js'
import { joinPairs, type Pair } from './tracks.js'
import { type Observation, type TriangulationOptions, triangulate } from './triangulate.js'

export interface SparseOptions extends MatchOptions, TriangulationOptions {
  /** Corners of a view, at most. Default 1500. */
  readonly corners?: number
  /** Views that each one is matched with. Default 6. */
  readonly sources?: number
  /** Views that must see a point. Default 3. */
  readonly minViews?: number
  readonly signal?: AbortSignal
}

/**
 * Points where corners of several pictures with known cameras match: few, but exact, also where most of the picture has
 * nothing to match. Corners are matched along epipolar lines ({@link matchCorners}), joined to tracks and triangulated.
 * Works on the host.
 */
export async function sparseCloud(
  captures: readonly Capture[],
  options: SparseOptions = {},
  onProgress: (done: number, total: number) => void = () => {},
): Promise<StereoCloud> {
  const { corners = 1500, sources = 6, signal } = options
  const views = captures.map(({ view }) => view)
  const seen = captures.map(({ view, image }): CornerView => {
    const grey = greyOf(image)
    return { view, image: grey, corners: findCorners(grey, corners) }
  })
  const ranked = rankSources(views)
  const pairs: { pair: Pair; score: number }[] = []
  for (const [i, from] of seen.entries()) {
    onProgress(i, seen.length)
    await new Promise((resolve) => setTimeout(resolve, 0))
    signal?.throwIfAborted()
    const range = depthRange(views, i)
    for (const { view: j } of (ranked[i] ?? []).slice(0, sources)) {
      const to = seen[j]
      if (!to) continue
      for (const match of matchCorners(from, to, range, options)) {
        const [a, b] = [from.corners[match.from], to.corners[match.to]]
        if (a && b)
          pairs.push({
            pair: [
              { view: i, x: a.x, y: a.y },
              { view: j, x: b.x, y: b.y },
            ],
            score: match.score,
          })
      }
    }
  }
  // The best first: they decide what a track is.
  pairs.sort((a, b) => b.score - a.score)
  return cloudOfTracks(captures, joinPairs(pairs.map(({ pair }) => pair)), options)
}

/**
 * Triangulates tracks of key points, of {@link sparseCloud}'s or of another program's (COLMAP's), with known poses. A
 * point has the mean colour of the pixels that show it, and no normal.
 */
export function cloudOfTracks(
  captures: readonly Pick<Capture, 'view' | 'image'>[],
  tracks: readonly (readonly Observation[])[],
  options: TriangulationOptions & { readonly minViews?: number } = {},
): StereoCloud {
  const { minViews = 3 } = options
  if (!(Number.isInteger(minViews) && minViews >= 2))
    throw new ArgumentError('cloudOfTracks', 'minViews', minViews, 'an integer from 2 on')
  const views: readonly View[] = captures.map(({ view }) => view)
  const positions: number[] = []
  const colors: number[] = []
  for (const track of tracks) {
    if (track.length < minViews) continue
    const point = triangulate(views, track, options)
    if (!point) continue
    positions.push(...point.position)
    for (let c = 0; c < 3; c++) {
      let sum = 0
      for (const { view, x, y } of track) {
        const image = captures[view]?.image
        if (!image) continue
        const column = Math.min(image.width - 1, Math.max(0, Math.floor(x)))
        const row = Math.min(image.height - 1, Math.max(0, Math.floor(y)))
        sum += image.data[3 * (row * image.width + column) + c] ?? 0
      }
      colors.push(Math.round(sum / track.length))
    }
  }
  return {
    count: positions.length / 3,
    positions: Float32Array.from(positions),
    colors: Uint8Array.from(colors),
    normals: new Float32Array(positions.length),
  }
}
