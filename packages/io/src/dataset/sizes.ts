import { readImageSize } from '../images/probe.js'
import type { Vfs } from '../vfs/vfs.js'
import type { PathTable } from './frames.js'
import type { DatasetCamera, Problem } from './types.js'

const atOnce = 8

/** Compares the sizes in the headers of images (and masks) with the cameras' sizes; one problem per camera. */
export async function checkSizes(
  vfs: Vfs,
  cameras: readonly DatasetCamera[],
  tables: readonly PathTable[],
  problems: Problem[],
): Promise<void> {
  for (const { index, name, sourceWidth, sourceHeight } of cameras) {
    const paths = tables.flatMap((table) => table.map((row) => row[index])).filter((path) => typeof path === 'string')
    const wrong: string[] = []
    const unreadable: string[] = []
    let seen = ''
    for (let i = 0; i < paths.length; i += atOnce) {
      const chunk = paths.slice(i, i + atOnce)
      const sizes = await Promise.all(chunk.map((path) => readImageSize(vfs, path)))
      sizes.forEach((size, k) => {
        const path = chunk[k] ?? ''
        if (!size) unreadable.push(path)
        else if (size.width !== sourceWidth || size.height !== sourceHeight) {
          wrong.push(path)
          seen ||= `${size.width}x${size.height}`
        }
      })
    }
    if (wrong.length > 0) {
      const message = `camera ${name} is ${sourceWidth}x${sourceHeight}, but ${some(wrong)} ${wrong.length > 1 ? 'are' : 'is'} ${seen}; use images of the model's size`
      problems.push({ severity: 'error', code: 'wrong-size', message })
    }
    if (unreadable.length > 0) {
      const message = `camera ${name}: ${some(unreadable)} cannot be read as JPEG, PNG or WebP`
      problems.push({ severity: 'error', code: 'unreadable-image', message })
    }
  }
}

function some(paths: readonly string[]): string {
  return paths.length > 1 ? `${paths[0]} and ${paths.length - 1} more` : (paths[0] ?? '')
}
