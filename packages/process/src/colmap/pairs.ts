import { OptionError } from '@clipgstream/io'

/** Files of each camera, one a moment; null where a camera has no image of it. */
export type Moments = ReadonlyMap<string, readonly (string | null)[]>

/** Two places in the order of cameras, the smaller first. */
export type CameraPair = readonly [number, number]

/** Below this every camera is matched with every other. */
export const fewCameras = 9
/** Links of a camera: those with at least this share of the matches of its best, and no more than so many. */
const strongShare = 0.3
const mostLinks = 8

/** Cameras that are at most `reach` apart in the order of names, the last beside the first. */
export function neighbourPairs(count: number, reach: number): CameraPair[] {
  if (!(Number.isInteger(reach) && reach >= 1)) throw new OptionError('neighbours', reach, 'a whole number above 0')
  const pairs = new Map<number, CameraPair>()
  for (let a = 0; a < count; a++) for (let step = 1; step <= reach; step++) addPair(pairs, count, a, (a + step) % count)
  return [...pairs.values()]
}

/**
 * Cameras that see the same things, from numbers of matches between all of them: the strong links of each camera, without those
 * between cameras that have no strong neighbour in common. Opposite sides that look alike are linked like that. Whatever
 * falls apart is held together by the strongest links that there are.
 *
 * `matches(a, b)`, a < b: matches that agree on a geometry.
 */
export function choosePairs(count: number, matches: (a: number, b: number) => number): CameraPair[] {
  const between = (a: number, b: number) => (a < b ? matches(a, b) : matches(b, a))
  const others = (a: number) => Array.from({ length: count }, (_, b) => b).filter((b) => b !== a)
  const strong = new Map<number, CameraPair>()
  for (let a = 0; a < count; a++) {
    const ranked = others(a).sort((b, c) => between(a, c) - between(a, b))
    const least = Math.max(1, strongShare * between(a, ranked[0] ?? a))
    for (const b of ranked.slice(0, mostLinks)) if (between(a, b) >= least) addPair(strong, count, a, b)
  }
  const linked = (a: number, b: number) => strong.has(Math.min(a, b) * count + Math.max(a, b))
  const chosen = [...strong.values()].filter(([a, b]) => others(a).some((c) => c !== b && linked(a, c) && linked(b, c)))
  // Kruskal's tree over what is left.
  const group = Array.from({ length: count }, (_, a) => a)
  const join = ([a, b]: CameraPair) => {
    const [from, to] = [group[b], group[a]]
    if (from === to || to === undefined) return false
    for (const [c, of] of group.entries()) if (of === from) group[c] = to
    return true
  }
  for (const pair of chosen) join(pair)
  const rest = neighbourPairs(count, count).sort((p, q) => matches(...q) - matches(...p))
  return [...chosen, ...rest.filter((pair) => matches(...pair) > 0 && join(pair))]
}

function addPair(pairs: Map<number, CameraPair>, count: number, a: number, b: number): void {
  if (a === b) return
  const [first, second] = [Math.min(a, b), Math.max(a, b)]
  pairs.set(first * count + second, [first, second])
}

/** The lines of COLMAP's list: images of paired cameras, moment by moment. */
export function pairList(images: Moments, pairs: readonly CameraPair[]): string {
  const cameras = [...images.values()]
  const lines = pairs.flatMap(([a, b]) =>
    (cameras[a] ?? []).flatMap((file, moment) => {
      const other = cameras[b]?.[moment] ?? null
      return file === null || other === null ? [] : [`${file} ${other}\n`]
    }),
  )
  return lines.join('')
}
