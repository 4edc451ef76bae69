import type { Vfs } from '../vfs/vfs.js'
import { countPoints } from './clips.js'
import { surveyDataset } from './open.js'
import { checkSizes } from './sizes.js'
import type { DatasetClip, DatasetOptions, Problem } from './types.js'

export interface InspectedClip extends DatasetClip {
  /** Points of its cloud, null where there is none that can be read. */
  readonly points: number | null
}

/** What is in a dataset and what is wrong with it. Plain data: prints as JSON. */
export interface DatasetReport {
  readonly name: string
  /** Whether `openDataset` takes it with the same options. */
  readonly usable: boolean
  readonly cameras: readonly {
    readonly name: string
    readonly model: string
    readonly size: string
    readonly test: boolean
  }[]
  /** Sizes in the model, and at which images are used, with the number of cameras of each. */
  readonly resolutions: readonly { readonly source: string; readonly used: string; readonly cameras: number }[]
  readonly frames: number
  readonly firstFrame: string | null
  readonly lastFrame: string | null
  readonly fps: number | null
  /** Each camera is a shot of one that moves. */
  readonly moving: boolean
  readonly clipSize: number
  readonly clips: readonly InspectedClip[]
  readonly images: { readonly found: number; readonly expected: number }
  readonly masks: number
  readonly memory: {
    /** Bytes of all decoded images of the clips, and of the largest clip alone. */
    readonly images: number
    readonly clipImages: number
    /** Bytes of all points as positions. */
    readonly points: number
  }
  readonly problems: readonly Problem[]
}

/** Looks at everything that can be seen without decoding images. Never throws for what it finds in the files. */
export async function inspectDataset(vfs: Vfs, options: DatasetOptions = {}): Promise<DatasetReport> {
  const { dataset, found } = await surveyDataset(vfs, options)
  const { cameras, frames, problems } = dataset
  await checkSizes(vfs, cameras, [found.images, found.masks], problems)
  const clips: InspectedClip[] = []
  for (const clip of dataset.clips) {
    clips.push({ ...clip, points: clip.cloud === null ? null : await countPoints(vfs, clip.cloud, problems) })
  }
  const resolutions = new Map<string, { source: string; used: string; cameras: number }>()
  for (const { sourceWidth, sourceHeight, view } of cameras) {
    const source = `${sourceWidth}x${sourceHeight}`
    const entry = resolutions.get(source) ?? { source, used: `${view.width}x${view.height}`, cameras: 0 }
    entry.cameras++
    resolutions.set(source, entry)
  }
  const clipBytes = clips.map(({ start, end }) => {
    const rows = found.images.slice(start, end)
    return cameras.reduce((sum, { index, view: { width, height } }) => {
      return sum + rows.filter((row) => row[index] !== null).length * width * height * 3
    }, 0)
  })
  const paths = clips.flatMap(({ start, end }) => found.images.slice(start, end).flat())
  const there = paths.filter((path) => path !== null).length
  return {
    name: dataset.name,
    usable: !problems.some(({ severity, gap }) => severity === 'error' && !(gap && options.allowGaps)),
    cameras: cameras.map(({ name, model, sourceWidth, sourceHeight, test }) => {
      return { name, model, size: `${sourceWidth}x${sourceHeight}`, test }
    }),
    resolutions: [...resolutions.values()],
    frames: frames.length,
    firstFrame: frames[0]?.folder ?? null,
    lastFrame: frames.at(-1)?.folder ?? null,
    fps: dataset.fps,
    moving: dataset.moving,
    clipSize: dataset.clipSize,
    clips,
    images: { found: there, expected: dataset.moving ? there : paths.length },
    masks: found.masks.flat().filter((path) => path !== null).length,
    memory: {
      images: clipBytes.reduce((sum, bytes) => sum + bytes, 0),
      clipImages: Math.max(0, ...clipBytes),
      points: clips.reduce((sum, { points }) => sum + (points ?? 0) * 12, 0),
    },
    problems,
  }
}

const mostLines = { clips: 8, problems: 12 }

/** The report on one screen of a terminal. */
export function formatInspection(report: DatasetReport): string {
  const { cameras, clips, problems, images, memory } = report
  const test = cameras.filter((camera) => camera.test)
  const row = (label: string, text: string) => `${label.padEnd(12)}${text}`
  const models = [...new Set(cameras.map(({ model }) => model))].join(', ')
  const lines = [
    row('dataset', report.name),
    row('cameras', `${cameras.length} ${models}${report.moving ? ', shots of cameras that move' : ''}`.trim()),
    row('split', `${cameras.length - test.length} train, ${test.length} test${listed(test.map(({ name }) => name))}`),
    ...report.resolutions.map(({ source, used, cameras: count }) => {
      return row('resolution', `${source}${used === source ? '' : `, used at ${used}`} (${count} cameras)`)
    }),
    row('frames', frameLine(report)),
    row('images', `${images.found} of ${images.expected}${report.masks > 0 ? `, ${report.masks} masks` : ''}`),
    row('clips', `${clips.length} of ${report.clipSize} frames`),
    ...clips.slice(0, mostLines.clips).map(({ index, start, end, points, cloud }) => {
      const count = points === null ? 'no points' : `${grouped(points)} points`
      return row('', `${index}  frames ${start} to ${end - 1}  ${count}${cloud ? `  ${cloud}` : ''}`)
    }),
    ...(clips.length > mostLines.clips ? [row('', `and ${clips.length - mostLines.clips} more`)] : []),
    row(
      'memory',
      `${bytes(memory.images)} of images (${bytes(memory.clipImages)} a clip), ${bytes(memory.points)} of points`,
    ),
  ]
  const order = { error: 0, warning: 1, note: 2 }
  const sorted = [...problems].sort((a, b) => order[a.severity] - order[b.severity])
  // Gaps are passed over where the report says so.
  const label = (severity: Problem['severity']) => (severity === 'error' && report.usable ? 'gap' : severity)
  for (const { severity, message } of sorted.slice(0, mostLines.problems)) lines.push(row(label(severity), message))
  if (sorted.length > mostLines.problems) lines.push(row('', `and ${sorted.length - mostLines.problems} more problems`))
  lines.push(row('result', resultText(report)))
  return lines.join('\n')
}

function resultText({ usable, problems }: DatasetReport): string {
  const errors = problems.filter(({ severity }) => severity === 'error')
  if (usable) return errors.length > 0 ? 'can be used with --allow-gaps' : 'can be used'
  const gaps = errors.every(({ gap }) => gap === true) ? '; --allow-gaps goes on without what is missing' : ''
  return `cannot be used until the errors are fixed${gaps}`
}

function frameLine({ frames, firstFrame, lastFrame, fps }: DatasetReport): string {
  return `${frames}${firstFrame ? ` (${firstFrame} to ${lastFrame})` : ''}${fps === null ? '' : `, ${fps} a second`}`
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return ''
  return ` (${names.slice(0, 8).join(', ')}${names.length > 8 ? ', ...' : ''})`
}

function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

function bytes(count: number): string {
  if (count < 2 ** 20) return `${(count / 2 ** 10).toFixed(1)} KiB`
  return count < 2 ** 30 ? `${(count / 2 ** 20).toFixed(1)} MiB` : `${(count / 2 ** 30).toFixed(2)} GiB`
}
