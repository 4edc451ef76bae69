import { VideoError } from '../errors.js'
import type { Codec } from './codec.js'

/** How a video is turned or mirrored to be shown, as phones store it beside the pixels. */
export interface Turn {
  /** Width and height change places. */
  readonly across: boolean
  /** FFmpeg's filters that do it. */
  readonly filter: string
  /** For people. */
  readonly said: string
}

/** By the signs of the matrix's a, b, c, d: a pixel (x, y) is shown at (a x + c y, b x + d y), moved to begin at 0. */
const turns: Readonly<Record<string, Turn>> = {
  '0 1 -1 0': { across: true, filter: 'transpose=clock', said: 'a quarter clockwise' },
  '-1 0 0 -1': { across: false, filter: 'hflip,vflip', said: 'upside down' },
  '0 -1 1 0': { across: true, filter: 'transpose=cclock', said: 'a quarter anticlockwise' },
  '-1 0 0 1': { across: false, filter: 'hflip', said: 'mirrored left to right' },
  '1 0 0 -1': { across: false, filter: 'vflip', said: 'mirrored top to bottom' },
  '0 1 1 0': { across: true, filter: 'transpose=cclock_flip', said: 'mirrored, x and y exchanged' },
  '0 -1 -1 0': { across: true, filter: 'transpose=clock_flip', said: 'mirrored, x and y exchanged and both reversed' },
}

type Parameters = InstanceType<Codec['lib']['CodecParameters']>

/** The turn of a stream, null where it is shown as it is stored. Throws a {@link VideoError} where the matrix is no turn. */
export function turnOf(path: string, parameters: Parameters, { constants }: Codec): Turn | null {
  const bytes = parameters.getCodedSideData(constants.AV_PKT_DATA_DISPLAYMATRIX)
  if (!bytes) return null
  // Nine numbers, a b u, c d v, x y w: u, v, w with 30 binary places, the others with 16.
  const one = 1 << 16
  const [a, b, u, c, d, v] = Array.from({ length: 6 }, (_, i) => bytes.readInt32LE(4 * i))
  const linear = [a, b, c, d].map((value = 0) => value / one)
  const key = linear.join(' ')
  if (key === '1 0 0 1' && u === 0 && v === 0) return null
  const turn = u === 0 && v === 0 ? turns[key] : undefined
  if (!turn)
    throw new VideoError(
      path,
      `is to be shown through the matrix ${linear.join(', ')}, which is no quarter turn; write it anew without (ffmpeg -i IN OUT turns the pixels)`,
    )
  return turn
}
