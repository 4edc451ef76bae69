import type { RgbImage } from '@clipgstream/io'
import { Canvas } from './canvas.js'
import { lineHeight } from './lettering.js'
import { type Portrait, thumbnail } from './portraits.js'
import type { Subject } from './subject.js'

const camerasASheet = 20
const gap = 6
const red = [255, 120, 100] as const

/** Contact sheets: a row of three images a camera, two cameras side by side. */
export function* contactSheets(
  { cameras, label }: Subject,
  found: readonly Portrait[],
  named: ReadonlySet<string>,
): Generator<RgbImage> {
  for (let from = 0; from < cameras.length; from += camerasASheet) {
    const some = cameras.slice(from, from + camerasASheet)
    const columns = some.length > 1 ? 2 : 1
    const cellWidth = 3 * (thumbnail + 2) + gap
    const rows: number[] = []
    for (let row = 0; row * columns < some.length; row++) {
      const inRow = some.slice(row * columns, (row + 1) * columns)
      rows.push(
        Math.max(...inRow.flatMap(({ index }) => found[index]?.images.map(({ image }) => image.height) ?? []), 20),
      )
    }
    const height = rows.reduce((sum, value) => sum + value + 2 * lineHeight + gap, gap)
    const canvas = new Canvas(columns * cellWidth + gap, height)
    let y = gap
    rows.forEach((rowHeight, row) => {
      some.slice(row * columns, (row + 1) * columns).forEach(({ index, name, test }, column) => {
        const x = gap + column * cellWidth
        const flagged = named.has(name)
        const title = `${name}${test ? '  (test)' : ''}${flagged ? '  look at' : ''}`
        canvas.text(title, x, y + 1, cellWidth - gap, flagged ? red : [235, 235, 235])
        found[index]?.images.forEach(({ frame, image }, i) => {
          const left = x + i * (thumbnail + 2)
          canvas.draw(image, left, y + lineHeight)
          canvas.text(label(frame), left, y + lineHeight + rowHeight + 2, thumbnail, [150, 150, 150])
        })
      })
      y += rowHeight + 2 * lineHeight + gap
    })
    yield canvas
  }
}
