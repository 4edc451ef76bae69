import { type Finding, some } from './finding.js'
import type { FrameNote } from './frame-note.js'
import { mean, median, percent } from './statistics.js'
import type { Subject } from './subject.js'
import { isBehind, type Lag } from './sync.js'
import type { Watched } from './watch.js'

const darkLevel = 6
const whiteShare = 0.9
/** A repeated frame changes less than this share of what is usual and of its neighbours, while the others go on. */
const frozenShare = 0.4
const jump = 0.12

/** What the frames of the cameras say, one by one and against each other. */
export function timeFindings(
  subject: Subject,
  { notes, unreadable }: Watched,
  lags: readonly (Lag | null)[],
): Finding[] {
  const findings: Finding[] = []
  const { cameras, first } = subject
  const named = (frames: readonly number[]) =>
    some(
      frames.map((frame) => subject.label(first + frame)),
      4,
    )
  for (const { camera, frame, reason } of unreadable.slice(0, 20)) {
    findings.push({
      severity: 'stop',
      check: 'frames',
      what: 'an image cannot be read',
      where: `${cameras[camera]?.name}, ${subject.label(frame)}`,
      figure: reason,
      remedy: 'make the image again',
    })
  }
  const repeats = notes.map((own, camera) => repeatedFrames(own, camera, notes))
  const shared = commonFrames(repeats)
  if (shared.length > 0) {
    findings.push({
      severity: 'look',
      check: 'frames',
      what: 'all cameras repeat frames',
      where: named(shared),
      figure: `${shared.length} frames`,
      remedy: 'the frame rate was raised by repeating: extract the frames at the rate of the recording',
    })
  }
  for (const { index, name } of cameras) {
    const own = notes[index] ?? []
    const there = own.flatMap((note, frame) => (note ? [{ note, frame }] : []))
    const missing = own.flatMap((note, frame) => (note ? [] : [frame]))
    // Frames that shorter videos lack have been named.
    const inVideo = subject.videos.some(({ camera }) => camera === index)
    const absent = inVideo ? [] : missing.filter((frame) => subject.cameras[index]?.path(first + frame) === null)
    const add = (what: string, where: string, figure: string, remedy: string, severity: Finding['severity'] = 'look') =>
      findings.push({
        severity,
        check: 'frames',
        what,
        where: where === '' ? name : `${name}, ${where}`,
        figure,
        remedy,
      })
    if (absent.length > 0 && subject.kind !== 'clip-stream' && !subject.moving && there.length > 0)
      add('frames are missing', named(absent), `${absent.length} of ${own.length}`, 'add them, or leave the camera out')
    if (there.length === 0) continue
    const black = there.filter(({ note }) => note.brightness < darkLevel || note.dark > 0.97)
    if (black.length === there.length) {
      add(
        'all images are nearly black',
        '',
        `mean level ${mean(there.map(({ note }) => note.brightness)).toFixed(1)}`,
        'leave the camera out',
      )
      continue
    }
    if (black.length > 0) {
      const levels = black.map(({ note }) => note.brightness.toFixed(1))
      const usual = median(there.map(({ note }) => note.brightness)).toFixed(0)
      add(
        'nearly black',
        named(black.map(({ frame }) => frame)),
        `mean level ${some(levels, 4)}, usual ${usual}`,
        'make these frames again, or leave them out',
      )
    }
    const white = there.filter(({ note }) => note.bright > whiteShare)
    if (white.length > 0)
      add(
        'nearly white',
        named(white.map(({ frame }) => frame)),
        `${percent(white[0]?.note.bright ?? 0)} of the pixels are full`,
        'make these frames again',
      )
    const { equal, frozen } = repeats[index] ?? { equal: [], frozen: [] }
    const alone = equal.filter((frame) => !shared.includes(frame))
    if (alone.length > 0)
      add(
        'the same image as the frame before',
        named(alone),
        `${alone.length} frames, equal byte by byte`,
        'frames were dropped or copied; extract them again',
      )
    const still = frozen.filter(({ frame }) => !shared.includes(frame))
    if (still.length > 0)
      add(
        'frozen while the other cameras go on',
        named(still.map(({ frame }) => frame)),
        `change ${some(
          still.map(({ change }) => change.toFixed(2)),
          4,
        )} levels, usual ${usualChange(own).toFixed(2)}`,
        'frames were dropped or copied; extract them again',
      )
    const jumps = subject.moving ? [] : brightnessJumps(own)
    if (jumps.length > 0)
      add(
        'brightness changes at once',
        named(jumps.map(({ frame }) => frame)),
        some(
          jumps.map(({ by }) => percent(by)),
          4,
        ),
        'a flash, a light switched, or automatic exposure: fix the exposure, or leave these frames out',
      )
  }
  return [...findings, ...copies(subject, notes), ...lagFindings(subject, lags)]
}

interface Repeats {
  /** Frames whose file equals the one before. */
  readonly equal: readonly number[]
  readonly frozen: readonly { readonly frame: number; readonly change: number }[]
}

function repeatedFrames(
  own: readonly (FrameNote | null)[],
  camera: number,
  all: readonly (readonly (FrameNote | null)[])[],
): Repeats {
  const equal: number[] = []
  const frozen: { frame: number; change: number }[] = []
  const usual = usualChange(own)
  const usuals = all.map(usualChange)
  own.forEach((note, frame) => {
    if (!note || note.change === null) return
    if (own[frame - 1]?.hash === note.hash) {
      equal.push(frame)
      return
    }
    const around = [own[frame - 1]?.change, own[frame + 1]?.change].filter((change) => typeof change === 'number')
    const limit = frozenShare * Math.min(usual, ...around)
    if (!(usual > 0.2) || around.length === 0 || note.change >= limit) return
    const others = all.flatMap((notes, other) => {
      const change = notes[frame]?.change
      const typical = usuals[other] ?? 0
      return other !== camera && change !== null && change !== undefined && typical > 0.2 ? [change / typical] : []
    })
    if (others.length === 0 || median(others) > 0.5) frozen.push({ frame, change: note.change })
  })
  return { equal, frozen }
}

function usualChange(own: readonly (FrameNote | null)[]): number {
  return median(own.flatMap((note) => (note && note.change !== null ? [note.change] : [])))
}

/** Frames that nearly all cameras repeat. */
function commonFrames(repeats: readonly Repeats[]): number[] {
  const counts = new Map<number, number>()
  for (const { equal } of repeats) for (const frame of equal) counts.set(frame, (counts.get(frame) ?? 0) + 1)
  return [...counts].filter(([, count]) => repeats.length > 2 && count > 0.8 * repeats.length).map(([frame]) => frame)
}

/** Frames whose brightness differs much from the frames around. */
function brightnessJumps(own: readonly (FrameNote | null)[]): { frame: number; by: number }[] {
  return own.flatMap((note, frame) => {
    const around = [-2, -1, 1, 2].flatMap((step) => own[frame + step]?.brightness ?? [])
    if (!note || around.length < 2 || note.brightness < darkLevel) return []
    const by = note.brightness / Math.max(1, median(around)) - 1
    return Math.abs(by) > jump ? [{ frame, by }] : []
  })
}

/** The same file under two cameras. */
function copies({ cameras, first, label }: Subject, notes: Watched['notes']): Finding[] {
  const owners = new Map<string, { camera: number; frame: number }>()
  const pairs = new Map<string, { a: number; b: number; frame: number; count: number }>()
  notes.forEach((own, camera) => {
    own.forEach((note, frame) => {
      if (!note || note.dark > 0.97) return
      const owner = owners.get(note.hash)
      if (!owner) owners.set(note.hash, { camera, frame })
      else if (owner.camera !== camera) {
        const key = `${owner.camera} ${camera}`
        const pair = pairs.get(key) ?? { a: owner.camera, b: camera, frame, count: 0 }
        pairs.set(key, { ...pair, count: pair.count + 1 })
      }
    })
  })
  return [...pairs.values()].map(({ a, b, frame, count }) => ({
    severity: 'look',
    check: 'frames',
    what: 'two cameras have the same images',
    where: `${cameras[a]?.name} and ${cameras[b]?.name}, from ${label(first + frame)} on`,
    figure: `${count} files, equal byte by byte`,
    remedy: 'one of them was copied by mistake; take it out or find its own images',
  }))
}

function lagFindings({ cameras }: Subject, lags: readonly (Lag | null)[]): Finding[] {
  return cameras.flatMap(({ index, name }): Finding[] => {
    const own = lags[index]
    if (!own || !isBehind(own)) return []
    const frames = `${Math.abs(own.lag)} frame${Math.abs(own.lag) === 1 ? '' : 's'}`
    return [
      {
        severity: 'look',
        check: 'time',
        what: `seems to be ${frames} ${own.lag > 0 ? 'behind' : 'ahead of'} the others`,
        where: name,
        figure: `motion agrees ${own.best.toFixed(2)} so, ${own.now.toFixed(2)} as it is, at ${own.points} points`,
        remedy: `number its frames ${Math.abs(own.lag)} ${own.lag > 0 ? 'lower' : 'higher'}, and inspect again`,
      },
    ]
  })
}
