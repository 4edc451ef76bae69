import type { Image } from './image.js'

/** An image pair that a report shows. */
export interface Exhibit {
  readonly view: string
  readonly frame: number
  readonly psnr: number
  readonly render: Image
  readonly truth: Image
}

/** Keeps the best and the worst frame of the first views, at most `limit` pairs. */
export interface Gallery {
  offer(view: string, frame: number, render: Image, truth: Image, psnr: number): void
  exhibits(): Exhibit[]
}

export function createGallery(limit: number): Gallery {
  const views = new Map<string, { best: Exhibit; worst: Exhibit }>()
  return {
    offer(view, frame, render, truth, psnr) {
      const kept = views.get(view)
      const exhibit = { view, frame, psnr, render, truth }
      if (!kept) {
        if (2 * views.size < limit) views.set(view, { best: exhibit, worst: exhibit })
        return
      }
      if (psnr > kept.best.psnr) kept.best = exhibit
      if (psnr < kept.worst.psnr) kept.worst = exhibit
    },
    exhibits() {
      const all = [...views.values()].flatMap(({ best, worst }) => (best === worst ? [worst] : [worst, best]))
      return all.slice(0, limit)
    },
  }
}
