import type { Observation } from './triangulate.js'

/** Two observations of one point. */
export type Pair = readonly [Observation, Observation]

/**
 * Joins pairs to tracks: what shares an observation (to a hundredth of a pixel) shows one point. A track that would have two
 * places in one view is cut there: pairs are joined in their order, and one that would do so is left out.
 */
export function joinPairs(pairs: readonly Pair[]): Observation[][] {
  const tracks = new Map<string, Map<number, Observation>>()
  const key = ({ view, x, y }: Observation) => `${view} ${Math.round(100 * x)} ${Math.round(100 * y)}`
  const trackOf = (observation: Observation) => {
    const name = key(observation)
    const known = tracks.get(name) ?? new Map([[observation.view, observation]])
    tracks.set(name, known)
    return known
  }
  for (const [a, b] of pairs) {
    const [one, two] = [trackOf(a), trackOf(b)]
    if (one === two || [...two.keys()].some((view) => one.has(view))) continue
    for (const observation of two.values()) {
      one.set(observation.view, observation)
      tracks.set(key(observation), one)
    }
  }
  return [...new Set(tracks.values())].filter((track) => track.size > 1).map((track) => [...track.values()])
}
