import type { RgbImage } from '@clipgstream/io'
import { messageOf, VideoError } from '../errors.js'
import { loadCodec } from './codec.js'
import { turnOf } from './turn.js'

export interface DecodedFrame {
  /** Position in the order in which frames are shown. */
  readonly index: number
  /** Null for frames that were not asked for. */
  readonly image: RgbImage | null
}

export interface DecodeOptions {
  /** Pixels of the longer side of a frame, at most; pictures are averaged down. Default: as it is. */
  readonly longest?: (index: number) => number
  readonly signal?: AbortSignal
}

/**
 * Frames 0 to the last that is `wanted`, in the order in which they are shown, as 8-bit RGB, turned as they are shown. The
 * colour matrix and range are those that the video states; without a word of them FFmpeg's: BT.601, limited range.
 * Throws a {@link VideoError} with the frame at which decoding failed.
 */
export async function* decodeVideo(
  path: string,
  wanted: ReadonlySet<number>,
  { longest, signal }: DecodeOptions = {},
): AsyncGenerator<DecodedFrame> {
  const last = Math.max(-1, ...wanted)
  if (last < 0) return
  const codec = await loadCodec()
  const { api, constants } = codec
  const demuxer = await api.Demuxer.open(path).catch((cause: unknown) => {
    throw new VideoError(path, `cannot be opened as a video (${messageOf(cause)})`, { cause })
  })
  const filters = new Map<string, ReturnType<typeof api.FilterAPI.create>>()
  const toRgb = (index: number, width: number, height: number, turn: string | undefined) => {
    const size = longest?.(index) ?? Number.POSITIVE_INFINITY
    const scale = Math.min(1, size / Math.max(width, height))
    const small = (length: number) => Math.max(1, Math.round(length * scale))
    const how = scale < 1 ? `${small(width)}:${small(height)}:flags=area` : 'flags=bicubic'
    const known = filters.get(how)
    if (known) return known
    const steps = [`scale=${how}+accurate_rnd+full_chroma_int`, 'format=rgb24', ...(turn ? [turn] : [])]
    const made = api.FilterAPI.create(steps.join(','))
    filters.set(how, made)
    return made
  }
  try {
    const stream = demuxer.video()
    if (!stream) throw new VideoError(path, 'has no video stream')
    const turn = turnOf(path, stream.codecpar, codec)?.filter
    using decoder = await api.Decoder.create(stream, { exitOnError: true })
    let index = 0
    try {
      for await (const frame of decoder.frames(demuxer.packets(stream.index))) {
        if (!frame) break
        signal?.throwIfAborted()
        if (frame.decodeErrorFlags !== 0 || frame.hasFlags(constants.AV_FRAME_FLAG_CORRUPT)) {
          frame.free()
          throw new VideoError(path, `frame ${index} is damaged; ${remedy(index)}`)
        }
        let image: RgbImage | null = null
        if (wanted.has(index)) {
          const [converted] = await toRgb(index, frame.width, frame.height, turn).processAll(frame)
          if (!converted) throw new VideoError(path, `frame ${index} cannot be converted to RGB`)
          const { width, height } = converted
          image = { width, height, data: converted.toBuffer() }
          converted.free()
        }
        frame.free()
        yield { index, image }
        if (index++ === last) return
      }
    } catch (cause) {
      if (cause instanceof VideoError || signal?.aborted) throw cause
      throw new VideoError(path, `frame ${index} cannot be decoded (${messageOf(cause)}); ${remedy(index)}`, { cause })
    }
    throw new VideoError(path, `ends after ${index} frames; frame ${last} was asked for`)
  } finally {
    for (const filter of filters.values()) filter.close()
    await demuxer.close()
  }
}

function remedy(frame: number): string {
  return `copy the video again${frame > 0 ? ', or take only frames before this one (--frames)' : ''}`
}
