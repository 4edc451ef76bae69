import { FormatError, type RgbImage, type Size } from '@clipgstream/io'
import sharp from 'sharp'
import type { Subject } from './subject.js'

const mostPixels = 2 ** 28

/** The size of at most `longest` pixels on the longer side; never larger than the image. */
export function fitted({ width, height }: Size, longest: number): Size {
  const scale = Math.min(1, longest / Math.max(width, height))
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) }
}

/**
 * Decodes an image small. JPEG is shrunk while it is read, which is fast and half a pixel of the small image exact. Throws a
 * `FormatError` for what cannot be decoded.
 */
export async function decodeSmall(
  subject: Subject,
  path: string,
  bytes: Uint8Array,
  longest: number,
): Promise<RgbImage> {
  try {
    const input = sharp(bytes, { ignoreIcc: true, autoOrient: false, failOn: 'error', limitInputPixels: mostPixels })
    const { width = 1, height = 1 } = await input.metadata()
    const size = fitted({ width, height }, longest)
    const [r, g, b] = (subject.background ?? [0, 0, 0]).map((value) => Math.round(value * 255))
    const opaque = subject.background ? input.flatten({ background: { r, g, b } }) : input.removeAlpha()
    const { data, info } = await opaque
      .resize(size.width, size.height, { fit: 'fill', kernel: 'lanczos3' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true })
    const pixels = new Uint8Array(data.buffer, data.byteOffset, data.length)
    if (info.channels === 3) return { ...size, data: pixels }
    const rgb = new Uint8Array(size.width * size.height * 3)
    for (let i = 0; i < rgb.length; i++) rgb[i] = pixels[Math.floor(i / 3) * info.channels]!
    return { ...size, data: rgb }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new FormatError(path, 'image', 'an image that can be decoded', reason, { cause })
  }
}

/** The nearest frame to `frame` of which the camera has an image, inside [first, end); null without one. */
export function nearestImage(
  path: (frame: number) => string | null,
  frame: number,
  first: number,
  end: number,
): number | null {
  for (let step = 0; step < Math.max(1, end - first); step++) {
    for (const candidate of [frame - step, frame + step]) {
      if (candidate >= first && candidate < end && path(candidate) !== null) return candidate
    }
  }
  return null
}
