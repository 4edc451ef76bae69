import { ArgumentError } from '@clipgstream/tensor'

/** Frames [first, first + count) of the sequence, trained together. */
export interface ClipRange {
  readonly index: number
  readonly first: number
  readonly count: number
}

/** Clips of `size` frames over [first, first + count); the last may be shorter. */
export function clipsOf(first: number, count: number, size: number): ClipRange[] {
  if (!(Number.isInteger(size) && size > 0)) throw new ArgumentError('clipsOf', 'size', size, 'a positive integer')
  return Array.from({ length: Math.ceil(count / size) }, (_, index) => ({
    index,
    first: first + index * size,
    count: Math.min(size, count - index * size),
  }))
}

/** Finds the clip of a frame. Throws when clips overlap or a frame lies in none. Without clips there is one, number 0. */
export function clipFinder(clips: readonly ClipRange[] | undefined): (frame: number) => number {
  if (!clips) return () => 0
  const sorted = [...clips].sort((a, b) => a.first - b.first)
  for (const [i, clip] of sorted.entries()) {
    const next = sorted[i + 1]
    if (next && next.first < clip.first + clip.count) {
      throw new ArgumentError(
        'createEvaluation',
        'clips',
        `${clip.index} and ${next.index}`,
        `apart; both have frame ${next.first}`,
      )
    }
  }
  return (frame) => {
    const found = sorted.find(({ first, count }) => frame >= first && frame < first + count)
    if (!found) throw new ArgumentError('evaluation.add', 'frame', frame, 'in one of the clips')
    return found.index
  }
}
