import { availableParallelism } from 'node:os'
import sharp, { type Sharp } from 'sharp'
import { FormatError, OptionError } from '../errors.js'
import { quantizeImage } from '../images/quantize.js'
import type { ImageDecoder, RgbImage, Size } from '../images/types.js'

/** Larger images are taken for mistakes: 16384 x 16384. */
const mostPixels = 2 ** 28

export interface NodeDecoderOptions {
  /**
   * Lay images with alpha over this colour, each channel in [0, 1]: c a + background (1 - a) on the stored values, as NeRF's
   * synthetic scenes are meant. Default: alpha is dropped and colours stay as stored.
   */
  readonly background?: readonly [number, number, number]
}

/** Decodes JPEG, PNG, WebP and TIFF with sharp, off the main thread. */
export function createNodeDecoder({ background }: NodeDecoderOptions = {}): ImageDecoder {
  const flat = background && colorOf(background)
  // A job takes a thread of libuv, which has four unless the environment says otherwise.
  const threads = Number(process.env['UV_THREADPOOL_SIZE']) || 4
  return {
    concurrency: Math.max(2, Math.min(threads, availableParallelism())),
    async decode(bytes, file, size) {
      try {
        const input = sharp(bytes, {
          ignoreIcc: true,
          autoOrient: false,
          failOn: 'error',
          limitInputPixels: mostPixels,
        })
        const { depth = 'uchar' } = await input.metadata()
        if (depth !== 'uchar' && depth !== 'ushort') {
          throw new FormatError(file, 'image', '8 or 16 bits a channel', depth)
        }
        const opaque = flat ? input.flatten({ background: flat }) : input.removeAlpha()
        let pipeline = opaque.toColourspace('srgb')
        if (size) {
          pipeline = pipeline.resize(size.width, size.height, {
            fit: 'fill',
            kernel: 'lanczos3',
            fastShrinkOnLoad: false,
          })
        }
        const { data, info } = await pipeline.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
        return rgb(new Uint8Array(data.buffer, data.byteOffset, data.length), info, file)
      } catch (cause) {
        if (cause instanceof FormatError) throw cause
        const reason = cause instanceof Error ? cause.message : String(cause)
        throw new FormatError(file, 'image', 'an image that can be decoded', reason, { cause })
      }
    },
  }
}

function colorOf([r, g, b]: readonly [number, number, number]): { r: number; g: number; b: number } {
  if (![r, g, b].every((value) => value >= 0 && value <= 1))
    throw new OptionError('background', `${r} ${g} ${b}`, 'three numbers in [0, 1]')
  return { r: Math.round(r * 255), g: Math.round(g * 255), b: Math.round(b * 255) }
}

function rgb(data: Uint8Array, info: Size & { readonly channels: number }, file: string): RgbImage {
  const { width, height, channels } = info
  if (channels === 3) return { width, height, data }
  if (channels !== 1) throw new FormatError(file, 'image', '1 or 3 channels besides alpha', `${channels}`)
  const spread = new Uint8Array(width * height * 3)
  for (let i = 0; i < data.length; i++) spread.fill(data[i]!, i * 3, i * 3 + 3)
  return { width, height, data: spread }
}

/** An image to write: bytes, or numbers in [0, 1] that are rounded to bytes. [height, width, 3] */
export interface ImageContent extends Size {
  readonly data: Uint8Array | Float32Array
}

/** A PNG file, lossless. */
export async function encodePng(image: ImageContent): Promise<Uint8Array> {
  return encode(image, (pipeline) => pipeline.png({ compressionLevel: 6 }))
}

/** A JPEG file without chroma subsampling. */
export async function encodeJpeg(image: ImageContent, quality = 95): Promise<Uint8Array> {
  return encode(image, (pipeline) => pipeline.jpeg({ quality, chromaSubsampling: '4:4:4' }))
}

async function encode(image: ImageContent, format: (pipeline: Sharp) => Sharp): Promise<Uint8Array> {
  const { width, height } = image
  const bytes = image.data instanceof Float32Array ? quantizeImage(image, image.data).data : image.data
  const pipeline = sharp(bytes, { raw: { width, height, channels: 3 } })
  const buffer = await format(pipeline).toBuffer()
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}
