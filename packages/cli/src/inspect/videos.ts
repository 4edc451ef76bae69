import { join } from 'node:path'
import type { Capture } from '@clipgstream/io'
import { findMisfits, ProcessError, probeVideo, VideoError, type VideoInfo } from '@clipgstream/process'
import { type Finding, some } from './finding.js'
import type { FrameNote } from './frame-note.js'

/** A camera whose pictures are inside a video. */
export interface SubjectVideo {
  readonly camera: number
  readonly name: string
  /** Where the file is. */
  readonly path: string
  /** Null when nothing can be read of it; `reason` says why. */
  readonly info: VideoInfo | null
  readonly reason: string
}

/** Reads every video of a capture from end to end, without decoding. `missing` says why none could be looked into. */
export async function probeVideos(
  { cameras }: Pick<Capture, 'cameras'>,
  folder: string,
  probe = probeVideo,
): Promise<{ videos: SubjectVideo[]; missing: string | null }> {
  const videos: SubjectVideo[] = []
  for (const [camera, { name, source }] of cameras.entries()) {
    if (source.kind !== 'video') continue
    const path = join(folder, source.path)
    try {
      videos.push({ camera, name, path, info: await probe(path), reason: '' })
    } catch (error) {
      if (!(error instanceof ProcessError)) throw error
      // What reads videos is not installed: the same for all of them.
      if (!(error instanceof VideoError)) return { videos: [], missing: error.message }
      videos.push({ camera, name, path, info: null, reason: error.message.replace(`${path}: `, '') })
    }
  }
  return { videos, missing: null }
}

/** Frames of the longest video that can be decoded. */
export function framesOf(videos: readonly SubjectVideo[]): number {
  return Math.max(0, ...videos.map(({ info }) => info?.frames ?? 0))
}

/** `h264 1088x1920, 120 frames, 60 a second, 2.0 s, even frame times, no sound` */
export function videoText(info: VideoInfo): string {
  const { codec, width, height, frames, fps, seconds, variable, audio, turned } = info
  return [
    `${codec} ${width}x${height}`,
    `${frames} frames`,
    ...(fps === null ? [] : [`${rateText(fps)} a second`]),
    ...(seconds === null ? [] : [`${seconds.toFixed(1)} s`]),
    variable ? 'frame times vary' : 'even frame times',
    audio ? 'sound' : 'no sound',
    ...(turned === null ? [] : [`turned ${turned}`]),
  ].join(', ')
}

export function rateText(fps: number): string {
  return `${Number(fps.toFixed(3))}`
}

/** Lines for one screen: what equal videos have, and which cameras have it. */
export function videoLines(videos: readonly SubjectVideo[]): string[] {
  const groups = new Map<string, string[]>()
  for (const { name, info } of videos) {
    const text = info ? videoText(info) : 'cannot be read'
    groups.set(text, [...(groups.get(text) ?? []), name])
  }
  return [...groups].map(([text, names]) => (groups.size === 1 ? text : `${text}: ${some(names)}`))
}

/** What the files say, without their pictures. */
export function videoFindings(videos: readonly SubjectVideo[], allowGaps: boolean): Finding[] {
  const findings: Finding[] = []
  const add = (severity: Finding['severity'], what: string, where: string, figure: string, remedy: string) =>
    findings.push({ severity, check: 'videos', what, where, figure, remedy })
  const readable = videos.flatMap(({ name, info }) => (info ? [{ name, ...info }] : []))
  for (const { name, info, reason } of videos) {
    if (!info) add('stop', 'the video cannot be read', name, reason, 'copy it again, or leave the camera out')
    else if (info.damage !== null) {
      const remedy =
        info.frames > 0
          ? 'copy it again, or use what is before the damage with process --damaged keep'
          : 'copy it again, or leave the camera out'
      const figure = `${info.frames} of ${info.declared ?? 'an unknown number of'} frames can be used`
      add('stop', 'the video is cut off or damaged', name, figure, remedy)
    }
  }
  const whole = readable.filter(({ damage }) => damage === null)
  const counts = groupsOf(whole, ({ frames }) => `${frames}`)
  if (counts.size > 1)
    add(
      allowGaps ? 'look' : 'stop',
      'cameras have different numbers of frames',
      groupsText(counts),
      '',
      'see whether they began together (--align audio or check of process), then --lengths shortest or gaps',
    )
  const rates = groupsOf(readable, ({ fps }) => (fps === null ? '?' : rateText(fps)))
  const [least, most] = [Math.min, Math.max].map((pick) => pick(...readable.map(({ fps }) => fps ?? Number.NaN)))
  if (least !== undefined && most !== undefined && most / least - 1 > 2e-3)
    add('stop', 'cameras have different frames a second', groupsText(rates), '', 'bring them to one rate first')
  for (const { name, repeated, missing, variable } of readable) {
    if (missing > 0 || repeated > 0)
      add(
        'look',
        'frames are missing or doubled, by their time stamps',
        name,
        `${missing} missing, ${repeated} doubled`,
        'process counts frames and does not look at their times: it will be out of step after the first of these',
      )
    else if (variable)
      add('look', 'the time between frames varies', name, '', 'process counts frames and does not look at their times')
  }
  for (const { name, turned } of readable)
    if (turned !== null)
      add(
        'look',
        'this video is to be turned, and process turns it',
        name,
        turned,
        'see whether the calibration is for the pictures as they are shown',
      )
  const sizes = groupsOf(readable, ({ codec, width, height }) => `${codec} ${width}x${height}`)
  if (sizes.size > 1) add('note', 'cameras have different codecs or sizes', groupsText(sizes), '', '')
  const sounding = readable.filter(({ audio }) => audio)
  if (readable.length > 0 && sounding.length === readable.length)
    add('note', 'all videos have sound', '', '', 'process --align audio can find when each began')
  else if (sounding.length > 0)
    add(
      'note',
      'some videos have no sound',
      some(readable.filter(({ audio }) => !audio).map(({ name }) => name)),
      '',
      '',
    )
  return findings
}

/** Cameras that move earlier or later than the others, by the change of their pictures from frame to frame. */
export function stepFindings(
  videos: readonly SubjectVideo[],
  notes: readonly (readonly (FrameNote | null)[])[],
): Finding[] {
  const energies = new Map(
    videos.flatMap(({ camera, name, info }) => {
      const own = notes[camera]?.filter((note) => note !== null) ?? []
      return info && own.length > 2 ? [[name, own.slice(1).map(({ change }) => change ?? 0)] as const] : []
    }),
  )
  return findMisfits(energies).map(({ camera, frames, score }) => {
    const by = `${Math.abs(frames)} frame${Math.abs(frames) === 1 ? '' : 's'}`
    return {
      severity: 'look',
      check: 'time',
      what: `seems to move ${by} ${frames > 0 ? 'after' : 'before'} the others`,
      where: camera,
      figure: `correlation of motion ${score.toFixed(2)}`,
      remedy: `if that is so, process --offsets ${camera}=${frames} mends it`,
    }
  })
}

function groupsOf<T extends { readonly name: string }>(items: readonly T[], key: (item: T) => string) {
  const groups = new Map<string, string[]>()
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item.name])
  return groups
}

/** `120 (cam01, cam02), 118 (cam03)` */
function groupsText(groups: ReadonlyMap<string, readonly string[]>): string {
  return [...groups].map(([value, names]) => `${value} (${some(names)})`).join(', ')
}
