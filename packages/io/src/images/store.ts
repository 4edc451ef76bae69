import type { Dataset } from '../dataset/types.js'
import { FormatError, IoError, OptionError } from '../errors.js'
import { probeImageSize } from './probe.js'
import type { ImageDecoder, RgbImage, Size } from './types.js'

/** One image of a dataset, by indices. */
export interface ViewIndex {
  readonly camera: number
  readonly frame: number
}

export interface ImageStoreOptions {
  /** Bytes of decoded images held or being decoded at once. Default 512 MiB. One image is always allowed. */
  readonly maxBytes?: number
  /** Images decoded at once. Default: the decoder's, else 2. */
  readonly concurrency?: number
}

/** Decoded images of a dataset in bounded memory, the least recently used dropped first. */
export interface ImageStore {
  /** Bytes of images held or being decoded. */
  readonly bytesInUse: number
  /**
   * The image of a view, at the size of its camera's `view`. The data are shared: do not write to them. Images that were
   * asked for and are not there yet may exceed `maxBytes`; `stream` never asks for more than fits.
   */
  get(camera: number, frame: number): Promise<RgbImage>
  /** The mask of a view, null where there is none: see {@link loadMask}. Decoded in turn with images and not kept. */
  mask(camera: number, frame: number): Promise<Mask | null>
  /**
   * The images of these views in this order, decoded ahead as far as memory and concurrency allow. The order may be
   * endless; it is read only as far as needed.
   */
  stream(order: Iterable<ViewIndex>): AsyncGenerator<ViewIndex & { readonly image: RgbImage }, void, undefined>
}

interface Entry {
  readonly bytes: number
  readonly image: Promise<RgbImage>
  done: boolean
  /** Streams that have it ahead of their reader; it stays until they passed it on. */
  pins: number
}

/** An {@link ImageStore} over a dataset. */
export function createImageStore(dataset: Dataset, decoder: ImageDecoder, options: ImageStoreOptions = {}): ImageStore {
  const { maxBytes = 2 ** 29, concurrency = decoder.concurrency ?? 2 } = options
  if (!(maxBytes > 0)) throw new OptionError('maxBytes', maxBytes, 'above 0')
  if (!(Number.isSafeInteger(concurrency) && concurrency > 0)) {
    throw new OptionError('concurrency', concurrency, 'a whole number of at least 1')
  }
  // In order of last use.
  const entries = new Map<string, Entry>()
  const waiting: (() => void)[] = []
  let running = 0
  let bytesInUse = 0

  const sizeOf = (camera: number): number => {
    const { width, height } = cameraOf(dataset, camera).view
    return width * height * 3
  }
  const makeRoom = (bytes: number) => {
    for (const [key, entry] of entries) {
      if (bytesInUse + bytes <= maxBytes) break
      if (!entry.done || entry.pins > 0) continue
      entries.delete(key)
      bytesInUse -= entry.bytes
    }
  }
  const turn = async () => {
    if (running >= concurrency) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
  }
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    await turn()
    try {
      return await work()
    } finally {
      // The place is handed over, so that nobody can slip in between.
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
  const request = (view: ViewIndex): Entry => {
    const key = `${view.camera} ${view.frame}`
    const bytes = sizeOf(view.camera)
    let entry = entries.get(key)
    if (!entry) {
      makeRoom(bytes)
      const image = inTurn(() => loadImage(dataset, decoder, view))
      const fresh: Entry = { bytes, image, done: false, pins: 0 }
      entry = fresh
      bytesInUse += bytes
      fresh.image.then(
        () => {
          fresh.done = true
          makeRoom(0)
        },
        () => {
          if (entries.get(key) === fresh) entries.delete(key)
          bytesInUse -= bytes
        },
      )
    }
    entries.delete(key)
    entries.set(key, entry)
    return entry
  }

  return {
    get bytesInUse() {
      return bytesInUse
    },
    get: (camera, frame) => request({ camera, frame }).image,
    mask: (camera, frame) => inTurn(() => loadMask(dataset, decoder, { camera, frame })),
    async *stream(order) {
      const views = order[Symbol.iterator]()
      const ahead: { readonly view: ViewIndex; readonly entry: Entry }[] = []
      let aheadBytes = 0
      let next = views.next()
      try {
        for (;;) {
          while (!next.done && ahead.length <= concurrency * 4) {
            const bytes = sizeOf(next.value.camera)
            if (ahead.length > 0 && aheadBytes + bytes > maxBytes) break
            const entry = request(next.value)
            // A failure is reported when its turn comes.
            entry.image.catch(() => {})
            entry.pins++
            ahead.push({ view: next.value, entry })
            aheadBytes += bytes
            next = views.next()
          }
          const head = ahead.shift()
          if (!head) return
          let image: RgbImage
          try {
            image = await head.entry.image
          } finally {
            head.entry.pins--
          }
          aheadBytes -= head.entry.bytes
          yield { camera: head.view.camera, frame: head.view.frame, image }
        }
      } finally {
        for (const { entry } of ahead) entry.pins--
        makeRoom(0)
        views.return?.()
      }
    },
  }
}

/** Reads, decodes, checks and resizes one image. Errors name its file. */
export async function loadImage(dataset: Dataset, decoder: ImageDecoder, view: ViewIndex): Promise<RgbImage> {
  const camera = cameraOf(dataset, view.camera)
  const path = dataset.imagePath(view.camera, view.frame)
  if (path === null) {
    throw new IoError(`${dataset.name} has no image of camera ${camera.name} in frame ${view.frame}`)
  }
  return decodeChecked(dataset, decoder, path, view.camera)
}

export interface Mask extends Size {
  /** [height, width] values as stored: 255 moves, 128 stands still in changing light, 0 stands still */
  readonly data: Uint8Array
}

/** The mask of a view, by nearest pixel at the size of its camera's `view`; null where there is none. */
export async function loadMask(dataset: Dataset, decoder: ImageDecoder, view: ViewIndex): Promise<Mask | null> {
  cameraOf(dataset, view.camera)
  const path = dataset.maskPath(view.camera, view.frame)
  if (path === null) return null
  const { width, height } = cameraOf(dataset, view.camera).view
  const source = await decodeChecked(dataset, decoder, path, view.camera, false)
  const mask = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * source.height) / height) * source.width
    for (let x = 0; x < width; x++) {
      mask[y * width + x] = source.data[(row + Math.floor(((x + 0.5) * source.width) / width)) * 3]!
    }
  }
  return { width, height, data: mask }
}

async function decodeChecked(
  dataset: Dataset,
  decoder: ImageDecoder,
  path: string,
  index: number,
  resize = true,
): Promise<RgbImage> {
  const { name, sourceWidth, sourceHeight, view } = cameraOf(dataset, index)
  const resized = resize && (view.width !== sourceWidth || view.height !== sourceHeight)
  const target = resized ? { width: view.width, height: view.height } : { width: sourceWidth, height: sourceHeight }
  const bytes = await dataset.vfs.read(path)
  const size = probeImageSize(bytes)
  if (size && (size.width !== sourceWidth || size.height !== sourceHeight)) {
    const expected = `${sourceWidth}x${sourceHeight} as camera ${name}`
    throw new FormatError(path, 'size', expected, `${size.width}x${size.height}`)
  }
  const image = await decoder.decode(bytes, path, resized ? target : undefined)
  if (image.width !== target.width || image.height !== target.height) {
    throw new FormatError(path, 'size', `${target.width}x${target.height}`, `${image.width}x${image.height}`)
  }
  return image
}

function cameraOf(dataset: Dataset, index: number) {
  const camera = dataset.cameras[index]
  if (!camera) throw new OptionError('camera', index, `0 to ${dataset.cameras.length - 1}`)
  return camera
}
