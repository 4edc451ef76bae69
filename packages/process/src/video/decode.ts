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

/**
 * Frames 0 to the last that is `wanted`, in the order in which they are shown, as 8-bit RGB, turned as they are shown. The colour matrix and range
 * are those that the video states; without a word of them FFmpeg's: BT.601, limited range.
 * Throws a {@link VideoError} with the frame at which decoding failed.
 */
export async function* decodeVideo(path: string, wanted: ReadonlySet<number>): AsyncGenerator<DecodedFrame> {
  const last = Math.max(-1, ...wanted)
  if (last < 0) return
  const codec = await loadCodec()
  const { api, constants } = codec
  const demuxer = await api.Demuxer.open(path).catch((cause: unknown) => {
    throw new VideoError(path, `cannot be opened as a video (${messageOf(cause)})`, { cause })
  })
  try {
    const stream = demuxer.video()
    if (!stream) throw new VideoError(path, 'has no video stream')
    const turn = turnOf(path, stream.codecpar, codec)
    const filters = ['scale=flags=bicubic+accurate_rnd+full_chroma_int', 'format=rgb24', ...(turn ? [turn.filter] : [])]
    using toRgb = api.FilterAPI.create(filters.join(','))
    using decoder = await api.Decoder.create(stream, { exitOnError: true })
    let index = 0
    try {
      for await (const frame of decoder.frames(demuxer.packets(stream.index))) {
        if (!frame) break
        if (frame.decodeErrorFlags !== 0 || frame.hasFlags(constants.AV_FRAME_FLAG_CORRUPT)) {
          frame.free()
          throw new VideoError(path, `frame ${index} is damaged`)
        }
        let image: RgbImage | null = null
        if (wanted.has(index)) {
          const [converted] = await toRgb.processAll(frame)
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
      if (cause instanceof VideoError) throw cause
      throw new VideoError(path, `frame ${index} cannot be decoded (${messageOf(cause)})`, { cause })
    }
    throw new VideoError(path, `ends after ${index} frames; frame ${last} was asked for`)
  } finally {
    await demuxer.close()
  }
}
