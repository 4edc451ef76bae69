import { VideoError } from '../errors.js'
import { loadCodec } from './codec.js'

/** Loudness steps a second. */
export const envelopeRate = 400
const sampleRate = 8000

/**
 * How the sound of a video sets in: for each 1/400 s the rise of the logarithm of its loudness, 0 where it falls. Onsets look
 * alike in microphones that hear the same from different places. Throws a {@link VideoError} for a video without sound.
 */
export async function soundOnsets(path: string): Promise<Float32Array> {
  const { api, constants, lib } = await loadCodec()
  const demuxer = await api.Demuxer.open(path)
  try {
    const stream = demuxer.audio()
    if (!stream) throw new VideoError(path, 'has no sound; give the offset of this camera with --offsets')
    using decoder = await api.Decoder.create(stream, { exitOnError: false })
    const convert = api.FilterAPI.create(`aresample=${sampleRate},aformat=sample_fmts=flt:channel_layouts=mono`)
    const window = sampleRate / envelopeRate
    const loudness: number[] = []
    let [sum, count] = [0, 0]
    const take = (frame: InstanceType<typeof lib.Frame>) => {
      const bytes = frame.toBuffer()
      const samples = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 4 * frame.nbSamples))
      for (const sample of samples) {
        sum += sample * sample
        if (++count < window) continue
        loudness.push(Math.log(sum / window + 1e-7))
        sum = count = 0
      }
      frame.free()
    }
    let first: number | null = null
    for await (const frame of decoder.frames(demuxer.packets(stream.index))) {
      if (!frame) break
      first ??= Number(frame.pts) * (frame.timeBase.num / frame.timeBase.den)
      for (const converted of await convert.processAll(frame)) take(converted)
      frame.free()
    }
    for (const converted of await convert.processAll(null)) take(converted)
    convert.close()
    const picture = demuxer.video()
    const pictureStart = picture ? startOf(picture, constants.AV_NOPTS_VALUE) : 0
    // Sound may begin later than the picture.
    const late = Math.round(((first ?? 0) - pictureStart) * envelopeRate)
    const onsets = loudness.map((value, i) => Math.max(0, value - (loudness[i - 1] ?? value)))
    if (late > 0) return Float32Array.from([...new Array<number>(late).fill(0), ...onsets])
    return Float32Array.from(onsets.slice(-late))
  } finally {
    await demuxer.close()
  }
}

function startOf(
  stream: { readonly startTime: bigint; readonly timeBase: { readonly num: number; readonly den: number } },
  none: bigint,
): number {
  return stream.startTime === none ? 0 : (Number(stream.startTime) * stream.timeBase.num) / stream.timeBase.den
}
