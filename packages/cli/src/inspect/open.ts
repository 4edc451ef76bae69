import {
  type Capture,
  DatasetError,
  type DatasetReport,
  detectCapture,
  formatInspection,
  IoError,
  inspectDataset,
  MissingFileError,
  openCapture,
  openDataset,
  type Problem,
  type Vfs,
} from '@clipgstream/io'
import { type DataFlags, datasetOptions } from '../data.js'
import { type Finding, some } from './finding.js'
import { type Subject, subjectOfCapture, subjectOfDataset } from './subject.js'
import { framesOf, probeVideos, type SubjectVideo, videoFindings, videoLines } from './videos.js'

/** What a folder turned out to be. */
export interface Opened {
  readonly report: DatasetReport | null
  readonly capture: Capture | null
  /** Null when it cannot be opened; `findings` say why. */
  readonly subject: Subject | null
  readonly findings: readonly Finding[]
  /** What there is, on one screen. */
  readonly summary: string
}

/** Opens this project's layout, or that of any other capture that is known. `deep`: images and clouds will be read. */
export async function openSubject(vfs: Vfs, folder: string, flags: DataFlags, deep: boolean): Promise<Opened> {
  const { kind } = await detectCapture(vfs)
  const own = kind === null || kind === 'clip-stream' || (kind === 'images' && (await hasFrames(vfs)))
  return own ? openOwn(vfs, flags, deep) : openOther(vfs, folder, flags)
}

/** Frame folders without a model are this layout with something missing, not image folders of cameras. */
async function hasFrames(vfs: Vfs): Promise<boolean> {
  for (const { name, kind } of await vfs.list('')) {
    if (kind === 'folder' && name.startsWith('frame') && (await vfs.exists(`${name}/images`))) return true
  }
  return false
}

async function openOwn(vfs: Vfs, flags: DataFlags, deep: boolean): Promise<Opened> {
  const options = datasetOptions(flags)
  const report = await inspectDataset(vfs, options)
  const findings = problemFindings(report.problems, flags.allowGaps ?? false)
  const summary = formatInspection(report)
  if (!deep) return { report, capture: null, subject: null, findings, summary }
  try {
    // Gaps are told as findings; what is there can be looked at all the same.
    const dataset = await openDataset(vfs, { ...options, allowGaps: true })
    return { report, capture: null, subject: subjectOfDataset(dataset), findings, summary }
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error
    return { report, capture: null, subject: null, findings, summary }
  }
}

async function openOther(vfs: Vfs, folder: string, flags: DataFlags): Promise<Opened> {
  const test = flags.testCameras
    ? { names: flags.testCameras.map((name) => (/^\d+$/.test(name) ? Number(name) : name)) }
    : flags.hold !== undefined
      ? { every: flags.hold }
      : undefined
  try {
    const capture = await openCapture(vfs, { allowGaps: true, ...(test && { test }) })
    const range = flags.frames ? ([flags.frames[0], flags.frames[1] + 1] as const) : undefined
    const { videos, missing } = await probeVideos(capture, folder)
    const subject = subjectOfCapture(capture, range, videos, missing)
    const findings = [
      ...problemFindings(capture.problems, flags.allowGaps ?? false),
      ...videoFindings(videos, flags.allowGaps ?? false),
    ]
    findings.push({
      severity: 'note',
      check: 'files',
      what: `a ${capture.kind} capture: train reads this project's own layout only`,
      where: '',
      figure: '',
      remedy: 'convert it with clipgstream process',
    })
    return { report: null, capture, subject, findings, summary: summaryOf(capture, videos) }
  } catch (error) {
    if (!(error instanceof IoError) || error instanceof MissingFileError) throw error
    const findings =
      error instanceof DatasetError
        ? problemFindings(error.problems, flags.allowGaps ?? false)
        : problemFindings([{ severity: 'error', code: 'bad-model', message: error.message }], false)
    return { report: null, capture: null, subject: null, findings, summary: `capture     ${vfs.label}` }
  }
}

function problemFindings(problems: readonly Problem[], allowGaps: boolean): Finding[] {
  const severities = { error: 'stop', warning: 'look', note: 'note' } as const
  return problems.map(({ severity, message, gap }) => ({
    severity: severity === 'error' && gap && allowGaps ? 'look' : severities[severity],
    check: 'files',
    what: message,
    where: '',
    figure: '',
    remedy: '',
  }))
}

function summaryOf(
  { kind, vfs, cameras, times, fps, moving, clouds, masks }: Capture,
  found: readonly SubjectVideo[],
): string {
  const row = (label: string, text: string) => `${label.padEnd(12)}${text}`
  const test = cameras.filter((camera) => camera.test).map(({ name }) => name)
  const calibrated = cameras.filter(
    ({ calibration, source }) =>
      calibration !== null || (source.kind === 'images' && source.images.every((image) => image.calibration !== null)),
  )
  const models = new Set(
    cameras.flatMap(({ calibration, source }) => {
      const first = source.kind === 'images' ? source.images[0]?.calibration : null
      const lens = (calibration ?? first)?.camera
      return lens ? [`${lens.model} ${lens.width}x${lens.height}`] : []
    }),
  )
  const videos = cameras.filter(({ source }) => source.kind === 'video').length
  const images = cameras.reduce((sum, { source }) => sum + (source.kind === 'images' ? source.images.length : 0), 0)
  return [
    row('capture', `${vfs.label}, ${kind}`),
    row('cameras', `${cameras.length}${moving ? ', moving' : ''}, ${calibrated.length} with a calibration`),
    ...(models.size > 0 ? [row('lenses', some([...models]))] : []),
    row('split', `${cameras.length - test.length} train, ${test.length} test (${some(test)})`),
    row(
      'frames',
      `${times ? times.length : found.length > 0 ? framesOf(found) : 'as many as the videos have'}${fps === null ? '' : `, ${fps} a second`}`,
    ),
    row(
      'recordings',
      [videos > 0 ? `${videos} videos` : '', images > 0 ? `${images} images` : ''].filter(Boolean).join(', '),
    ),
    ...videoLines(found).map((line) => row('video', line)),
    ...(masks ? [row('masks', `of what is ${masks.meaning === 'moving' ? 'moving' : 'valid'}`)] : []),
    row('clouds', clouds.length === 0 ? 'none' : some(clouds.map(({ path }) => path))),
  ].join('\n')
}
