import { loadCodec } from '../src/video/codec.js'

export interface TestVideo {
  readonly width: number
  readonly height: number
  readonly frames: number
  readonly rate?: number
  readonly quality?: number
  /** With a tag of this matrix. */
  readonly matrix?: 'bt709' | 'bt601'
  /** Mono, at 8000 samples a second. */
  readonly sound?: Float32Array
  /** When each frame is shown, in parts of a second over `rate`. Default: one after the other. */
  readonly times?: readonly number[]
  /** The index at the end of the file, as cameras write it. */
  readonly indexAtEnd?: boolean
  pixel(frame: number, x: number, y: number): readonly [number, number, number]
}

/** Writes an H.264 video. */
export async function makeVideo(path: string, video: TestVideo): Promise<void> {
  const { api, constants, lib } = await loadCodec()
  const { width, height, frames, rate = 10, quality = 4, matrix } = video
  const encoder = await api.Encoder.create(constants.FF_ENCODER_LIBX264, {
    gopSize: 5,
    options: { preset: 'ultrafast', crf: quality, bf: 2 },
    configure: (context) => {
      context.pixelFormat = constants.AV_PIX_FMT_YUV420P
      context.timeBase = new lib.Rational(1, rate)
      context.framerate = new lib.Rational(rate, 1)
    },
  })
  const toYuv = api.FilterAPI.create(`scale=out_color_matrix=${matrix ?? 'bt601'}:out_range=tv,format=yuv420p`)
  const muxer = await api.Muxer.open(path, video.indexAtEnd ? {} : { options: { movflags: 'faststart' } })
  const stream = muxer.addStream(encoder)
  const pcm = video.sound && (await api.Encoder.create(constants.FF_ENCODER_AAC, { options: {}, configure: () => {} }))
  const audio = pcm && muxer.addStream(pcm)
  const drain = async (frame: InstanceType<typeof lib.Frame> | null) => {
    for (const packet of await encoder.encodeAll(frame)) {
      await muxer.writePacket(packet, stream)
      packet.free()
    }
  }
  for (let i = 0; i < frames; i++) {
    const rgb = Buffer.alloc(width * height * 3)
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < width; x++) for (const value of video.pixel(i, x, y)) rgb[at++] = value
    }
    const timeBase = { num: 1, den: rate }
    const format = constants.AV_PIX_FMT_RGB24
    const frame = lib.Frame.fromVideoBuffer(rgb, {
      width,
      height,
      format,
      timeBase,
      pts: BigInt(video.times?.[i] ?? i),
    })
    for (const converted of await toYuv.processAll(frame)) {
      if (!matrix) converted.colorSpace = constants.AVCOL_SPC_UNSPECIFIED
      await drain(converted)
      converted.free()
    }
    frame.free()
  }
  await drain(null)
  if (pcm && audio && video.sound) {
    for (let start = 0; start < video.sound.length; start += 1024) {
      const part = video.sound.slice(start, start + 1024)
      const frame = lib.Frame.fromAudioBuffer(Buffer.from(part.buffer), {
        nbSamples: part.length,
        format: constants.AV_SAMPLE_FMT_FLTP,
        sampleRate: 8000,
        channelLayout: { nbChannels: 1, order: constants.AV_CHANNEL_ORDER_NATIVE, mask: 4n },
        timeBase: { num: 1, den: 8000 },
        pts: BigInt(start),
      })
      for (const packet of await pcm.encodeAll(frame)) {
        await muxer.writePacket(packet, audio)
        packet.free()
      }
      frame.free()
    }
    for (const packet of await pcm.encodeAll(null)) {
      await muxer.writePacket(packet, audio)
      packet.free()
    }
    pcm.close()
  }
  toYuv.close()
  encoder.close()
  await muxer.close()
}
