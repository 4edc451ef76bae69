import { rename, rm } from 'node:fs/promises'
import { CommandError } from './command-error.js'

export interface VideoOptions {
  width: number
  height: number
  /** Frames a second. */
  rate: number
  /** x264's constant rate factor: 0 loses nothing, 18 is hard to tell from the source, 51 is worst. */
  quality?: number
}

/** Takes RGB frames [H, W, 3] of bytes; the file gets its name only when it is complete. */
export interface VideoWriter {
  write(pixels: Uint8Array): Promise<void>
  close(): Promise<void>
  abort(): Promise<void>
}

/** Encodes an H.264 MP4 through node-av (FFmpeg's libraries as npm packages). Odd extents lose their last row or column. */
export async function createVideoWriter(path: string, options: VideoOptions): Promise<VideoWriter> {
  const { width, height, rate, quality = 18 } = options
  const even = { width: width & ~1, height: height & ~1 }
  if (even.width === 0 || even.height === 0) {
    throw new CommandError(`${path}: a video needs at least 2x2 pixels, got ${width}x${height}`)
  }
  const { api, constants, lib } = await loadCodec()
  lib.Log.setLevel(constants.AV_LOG_ERROR)
  const part = `${path}.part.mp4`
  const timeBase = { num: 1, den: rate }
  const encoder = await api.Encoder.create(constants.FF_ENCODER_LIBX264, {
    gopSize: rate * 2,
    autoFormat: true,
    options: { preset: 'medium', crf: quality },
    configure: (context) => {
      context.pixelFormat = constants.AV_PIX_FMT_YUV420P
      context.timeBase = new lib.Rational(1, rate)
      context.framerate = new lib.Rational(rate, 1)
    },
  })
  const muxer = await api.Muxer.open(part, { options: { movflags: 'faststart' } })
  const stream = muxer.addStream(encoder)
  let frames = 0

  const drain = async (frame: InstanceType<typeof lib.Frame> | null) => {
    for (const packet of await encoder.encodeAll(frame)) {
      await muxer.writePacket(packet, stream)
      packet.free()
    }
  }
  return {
    async write(pixels) {
      if (pixels.length !== width * height * 3) {
        throw new CommandError(`${path}: frame ${frames} has ${pixels.length} bytes, expected ${width}x${height}x3`)
      }
      const format = constants.AV_PIX_FMT_RGB24
      const buffer = Buffer.from(crop(pixels, width, even.width, even.height))
      const frame = lib.Frame.fromVideoBuffer(buffer, { ...even, format, timeBase, pts: BigInt(frames++) })
      await drain(frame)
      frame.free()
    },
    async close() {
      await drain(null)
      encoder.close()
      await muxer.close()
      await rename(part, path)
    },
    async abort() {
      encoder.close()
      await muxer.close()
      await rm(part, { force: true })
    },
  }
}

async function loadCodec() {
  try {
    const [api, constants, lib] = await Promise.all([
      import('node-av/api'),
      import('node-av/constants'),
      import('node-av/lib'),
    ])
    return { api, constants, lib }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CommandError(
      `videos need the optional package node-av, which could not be loaded: ${reason}. Install it with npm i node-av`,
    )
  }
}

function crop(pixels: Uint8Array, stride: number, width: number, height: number): Uint8Array {
  if (stride === width) return pixels.subarray(0, width * height * 3)
  const out = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) out.set(pixels.subarray(y * stride * 3, (y * stride + width) * 3), y * width * 3)
  return out
}
