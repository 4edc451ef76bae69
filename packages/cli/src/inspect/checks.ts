import { IoError, type PointCloud } from '@clipgstream/io'
import type { Terminal } from '../terminal.js'
import { calibrationFindings, colourFindings, coverageFindings } from './cloud-findings.js'
import { type ClipCheck, type ClipScene, checkClip } from './clouds.js'
import type { Finding } from './finding.js'
import { compareTimes } from './motion.js'
import { exposureFindings, type Portrait, portraits, sharpnessFindings } from './portraits.js'
import { mean } from './statistics.js'
import type { Subject } from './subject.js'
import type { Lag } from './sync.js'
import { timeFindings } from './time-findings.js'
import { stepFindings } from './videos.js'
import { type Watched, watch } from './watch.js'
import { type SeenVideos, watchVideos, whiteBalanceFindings } from './watch-videos.js'

/** Everything that was measured. */
export interface Checks {
  readonly watched: Watched | null
  readonly portraits: readonly Portrait[]
  readonly clips: readonly ClipCheck[]
  readonly lags: readonly (Lag | null)[]
  readonly findings: readonly Finding[]
  readonly unchecked: readonly string[]
}

const mostClips = 6

/** Looks at every image and at the clouds of up to six clips. `drawn` gets each clip while its points are there. */
export async function checkSubject(
  subject: Subject,
  terminal: Terminal,
  drawn: (scene: ClipScene) => Promise<void>,
): Promise<Checks> {
  const { cameras, first, end, clips } = subject
  const unchecked = [...subject.unchecked]
  const findings: Finding[] = []
  const hasImages = cameras.some(({ path }) => frames(first, end).some((frame) => path(frame) !== null))
  const inVideos = subject.videos.length > 0 ? await watchInVideos(subject, terminal) : null
  const found = inVideos ? inVideos.portraits : hasImages ? await portraitsOf(subject, terminal) : []
  const watched = inVideos ? inVideos.watched : hasImages ? await watchAll(subject, terminal) : null
  const clipChecks: ClipCheck[] = []
  // Those of clouds that lie on what the cameras see.
  const surfaces: ClipCheck[] = []
  let reference: PointCloud | null = null
  const chosen = evenly(
    clips.filter(({ cloud }) => cloud !== null),
    mostClips,
  )
  if (chosen.length < clips.length && clips.length > mostClips)
    unchecked.push(`clouds of ${clips.length - chosen.length} of ${clips.length} clips: ${chosen.length} were compared`)
  const progress = terminal.progress('clouds', chosen.length * cameras.length)
  let done = 0
  for (const clip of chosen) {
    const cloud = await readCloud(clip.cloud, findings)
    if (!cloud || cloud.count === 0) continue
    const random = isOneColour(cloud)
    if (random)
      unchecked.push(
        `cameras and colours against the points of clip ${clip.index}: all have one colour, as random points do, which lie on no surface`,
      )
    else reference ??= cloud
    if (!cloud.colors) unchecked.push(`colours of the points of clip ${clip.index}: its cloud has none`)
    const scene = await checkClip(subject, clip, random ? { ...cloud, colors: null } : cloud, (name) =>
      progress.update(++done, name),
    )
    clipChecks.push(scene.check)
    if (!random) surfaces.push(scene.check)
    await drawn(scene)
  }
  progress.stop()
  const calibration = calibrationFindings(subject, surfaces)
  const together = !calibration.some(({ severity }) => severity === 'stop')
  const distrusted = new Set(
    cameras.filter(({ name }) => calibration.some(({ where }) => where === name)).map(({ index }) => index),
  )
  const lags =
    watched && reference && !subject.moving && together
      ? compareTimes(subject, watched.greys, reference, distrusted)
      : []
  if (inVideos && watched) {
    findings.push(...stepFindings(subject.videos, watched.notes), ...whiteBalanceFindings(subject, inVideos.colours))
  } else if (!subject.moving && lags.every((lag) => lag === null))
    unchecked.push('whether cameras are synchronised: it takes cameras that fit, a cloud, 16 frames and motion')
  findings.push(...calibration)
  if (watched) {
    findings.push(...timeFindings(subject, watched, lags))
    if (surfaces.length === 0) {
      const levels = watched.notes.map((own) => {
        const there = own.flatMap((note) => (note ? [note.brightness] : []))
        return there.length > 0 ? mean(there) : null
      })
      findings.push(...exposureFindings(subject, levels))
    }
  }
  findings.push(...coverageFindings(subject, surfaces))
  if (together) findings.push(...colourFindings(subject, surfaces, distrusted))
  findings.push(...sharpnessFindings(subject, found))
  return { watched, portraits: found, clips: clipChecks, lags, findings, unchecked }
}

function isOneColour({ colors }: PointCloud): boolean {
  return colors !== null && colors.length > 3 && colors.every((value, i) => value === colors[i % 3])
}

async function portraitsOf(subject: Subject, terminal: Terminal): Promise<Portrait[]> {
  const progress = terminal.progress('sheets', subject.cameras.length)
  let done = 0
  const found = await portraits(subject, (name) => progress.update(++done, name))
  progress.stop()
  return found
}

async function watchAll(subject: Subject, terminal: Terminal): Promise<Watched> {
  const { cameras, first, end } = subject
  const progress = terminal.progress('images', cameras.length * (end - first))
  const watched = await watch(subject, (done, note) => progress.update(done, note))
  progress.stop()
  return watched
}

async function watchInVideos(subject: Subject, terminal: Terminal): Promise<SeenVideos> {
  const { videos, first, end } = subject
  const total = videos.reduce((sum, { info }) => sum + Math.max(0, Math.min(end, info?.frames ?? 0) - first), 0)
  const progress = terminal.progress('videos', total)
  let done = 0
  const seen = await watchVideos(subject, videos, (name) => progress.update(++done, name))
  progress.stop()
  return seen
}

async function readCloud(read: (() => Promise<PointCloud>) | null, findings: Finding[]): Promise<PointCloud | null> {
  try {
    return (await read?.()) ?? null
  } catch (error) {
    if (!(error instanceof IoError)) throw error
    const what = 'a cloud cannot be read'
    findings.push({
      severity: 'stop',
      check: 'clouds',
      what,
      where: '',
      figure: error.message,
      remedy: 'make it again',
    })
    return null
  }
}

function frames(first: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i)
}

/** The first, the last and others evenly between. */
function evenly<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items]
  return Array.from({ length: most }, (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))]!)
}
