import { stat } from 'node:fs/promises'
import { messageOf, VideoError } from '../errors.js'
import { loadCodec } from './codec.js'
import { turnOf } from './turn.js'

export interface VideoInfo {
  readonly path: string
  /** As it is shown. */
  readonly width: number
  readonly height: number
  /** How the stored pixels are turned to be shown, in words; null where they are not. */
  readonly turned: string | null
  /** Frames that can be decoded before the first damage. */
  readonly frames: number
  /** Frames that the container says there are; null where it does not. */
  readonly declared: number | null
  /** Frames a second, from the time stamps; null for a single frame. */
  readonly fps: number | null
  /** Time between frames varies by more than half. */
  readonly variable: boolean
  /** Frames that come less than half a usual step after the one before, and those that longer steps leave room for. */
  readonly repeated: number
  readonly missing: number
  /** The frame before the first of those longer steps, null where there is none. */
  readonly gapAfter: number | null
  /** From the first frame to the end of the last, seconds; null for a single frame. */
  readonly seconds: number | null
  /** As FFmpeg calls it. */
  readonly codec: string
  readonly audio: boolean
  /** What is wrong with the file, null when nothing is. */
  readonly damage: string | null
}

/** Reads a video from end to end without decoding it. Throws a {@link VideoError} when there is nothing to be had from it. */
export async function probeVideo(path: string): Promise<VideoInfo> {
  const codec = await loadCodec()
  const { api, constants, lib } = codec
  const { size } = await stat(path)
  if (size === 0) throw new VideoError(path, 'the file is empty')
  const demuxer = await api.Demuxer.open(path).catch((cause: unknown) => {
    throw new VideoError(
      path,
      `cannot be opened as a video (${messageOf(cause)}); if it is an MP4 that was cut off, its index is lost with its end: copy it again, or repair it with a recording of the same camera`,
      { cause },
    )
  })
  try {
    const stream = demuxer.video()
    if (!stream) throw new VideoError(path, 'has no video stream')
    const { width, height } = stream.codecpar
    const turn = turnOf(path, stream.codecpar, codec)
    const { num, den } = stream.timeBase
    const times: number[] = []
    let damaged = -1
    for await (const packet of demuxer.packets(stream.index)) {
      if (!packet) break
      if (damaged < 0 && packet.hasFlags(constants.AV_PKT_FLAG_CORRUPT)) damaged = times.length
      if (damaged < 0) times.push((Number(packet.pts) * num) / den)
      packet.free()
    }
    const declaredFrames = Number(stream.nbFrames)
    const declared = declaredFrames > 0 ? declaredFrames : null
    const rate = stream.avgFrameRate
    const nominal = rate.num > 0 && rate.den > 0 ? rate.num / rate.den : null
    const short = damaged >= 0 || (declared !== null && times.length < declared)
    const bad = times.length === 0 || short
    // Frames are stored in the order of decoding: those that lie between lost ones in time cannot be told apart.
    const frames = bad ? Math.max(0, times.length - Math.max(0, stream.codecpar.videoDelay)) : times.length
    const damage =
      times.length === 0
        ? 'holds no frame'
        : short
          ? `is cut off or damaged after frame ${Math.max(0, frames - 1)}: ${frames} of ${declared ?? 'an unknown number of'} frames can be used`
          : null
    times.sort((a, b) => a - b)
    return {
      ...{ path, ...(turn?.across ? { width: height, height: width } : { width, height }), turned: turn?.said ?? null },
      ...{ frames, declared, damage, ...rateOf(times, nominal) },
      audio: demuxer.audio() !== undefined,
      codec: lib.avGetCodecName(stream.codecpar.codecId) ?? 'unknown',
    }
  } finally {
    await demuxer.close()
  }
}

type Timing = Pick<VideoInfo, 'fps' | 'variable' | 'repeated' | 'missing' | 'gapAfter' | 'seconds'>

function rateOf(times: readonly number[], nominal: number | null): Timing {
  const steps = times.slice(1).map((time, i) => time - (times[i] ?? time))
  const ordered = [...steps].sort((a, b) => a - b)
  const median = ordered[ordered.length >> 1]
  if (median === undefined || !(median > 0))
    return { fps: nominal, variable: false, repeated: steps.length, missing: 0, gapAfter: null, seconds: null }
  const variable = steps.some((step) => step > 1.5 * median || step < 0.5 * median)
  const repeated = steps.filter((step) => step < 0.5 * median).length
  const room = steps.map((step) => Math.max(0, Math.round(step / median) - 1))
  const missing = room.reduce((sum, frames) => sum + frames, 0)
  const gap = room.findIndex((frames) => frames > 0)
  const first = times[0] ?? 0
  const last = times.at(-1) ?? first
  const seconds = last - first + median
  // Frames that were lost do not make a camera slower.
  const measured = (steps.length + missing) / (last - first)
  // Containers round time stamps; a nominal rate that fits is exact.
  const fits = nominal !== null && Math.abs(nominal / measured - 1) < 1e-3 + 1 / steps.length ** 2
  return { fps: fits ? nominal : measured, variable, repeated, missing, gapAfter: gap < 0 ? null : gap, seconds }
}
