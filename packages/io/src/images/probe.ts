import type { Vfs } from '../vfs/vfs.js'
import type { Size } from './types.js'

/** Image files that both decoders read, by extension. */
export const imageExtensions: readonly string[] = ['jpg', 'jpeg', 'png', 'webp']

/** The size that the header of a JPEG, PNG or WebP file states, or null when these bytes do not hold it. */
export function probeImageSize(head: Uint8Array): Size | null {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  if (head.length >= 24 && view.getUint32(0) === 0x89504e47 && view.getUint32(12) === 0x49484452) {
    return { width: view.getUint32(16), height: view.getUint32(20) }
  }
  if (head.length >= 4 && view.getUint16(0) === 0xffd8) return probeJpeg(view)
  if (head.length >= 30 && view.getUint32(0) === 0x52494646 && view.getUint32(8) === 0x57454250) return probeWebp(view)
  return null
}

function probeJpeg(view: DataView): Size | null {
  let at = 2
  while (at + 9 <= view.byteLength) {
    if (view.getUint8(at) !== 0xff) return null
    const marker = view.getUint8(at + 1)
    if (marker === 0xff) {
      at += 1
      continue
    }
    if ((marker >= 0xd0 && marker <= 0xd8) || marker === 0x01) {
      at += 2
      continue
    }
    if (marker === 0xd9 || marker === 0xda) return null
    // SOF0 to SOF15 without the tables DHT, JPG and DAC that share the range.
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) }
    }
    at += 2 + Math.max(2, view.getUint16(at + 2))
  }
  return null
}

function probeWebp(view: DataView): Size | null {
  switch (view.getUint32(12)) {
    case 0x56503820: // VP8 (lossy)
      return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff }
    case 0x5650384c: {
      const bits = view.getUint32(21, true)
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
    }
    case 0x56503858: // VP8X
      return {
        width: 1 + (view.getUint16(24, true) | (view.getUint8(26) << 16)),
        height: 1 + (view.getUint16(27, true) | (view.getUint8(29) << 16)),
      }
    default:
      return null
  }
}

/** The size of an image file, from as few of its bytes as it takes; null when it is no image that is known. */
export async function readImageSize(vfs: Vfs, path: string): Promise<Size | null> {
  // Large EXIF blocks (thumbnails, up to 64 KiB each) may lie before the size.
  for (const bytes of [4096, 1 << 20]) {
    const head = await vfs.readRange(path, 0, bytes)
    const size = probeImageSize(head)
    if (size || head.length < bytes) return size
  }
  return null
}
