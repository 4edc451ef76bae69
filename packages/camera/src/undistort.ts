import { CameraError } from './errors.js'
import { createLens } from './lens.js'
import { type Camera, isUndistorted, parametersOf } from './models.js'
import type { Intrinsics } from './view.js'

export interface UndistortOptions {
  /** Share of blank pixels that is accepted, 0 (none, crops) to 1 (keeps every source pixel). Default 0. */
  blankPixels?: number
  /** Bounds of the factor on the image size. Defaults 0.2 and 2. */
  minScale?: number
  maxScale?: number
}

/**
 * The pinhole camera that COLMAP's undistorter chooses for a camera: focal lengths stay, the image is cropped or grown
 * until the share of blank pixels is as asked, and the principal point scales with it. An undistorted camera stays.
 */
export function undistortedView(camera: Camera, options: UndistortOptions = {}): Intrinsics {
  const { blankPixels = 0, minScale = 0.2, maxScale = 2 } = options
  if (!(blankPixels >= 0 && blankPixels <= 1))
    throw new CameraError(`blankPixels must be in [0, 1], got ${blankPixels}`)
  if (!(minScale > 0 && minScale <= maxScale && Number.isFinite(maxScale))) {
    throw new CameraError(`minScale and maxScale must be positive and in order, got ${minScale} and ${maxScale}`)
  }
  const { fx, fy, cx, cy } = parametersOf(camera)
  const { width, height } = camera
  if (isUndistorted(camera)) return { width, height, fx, fy, cx, cy }

  const { unproject } = createLens(camera)
  let rays = 0
  const straight = (x: number, y: number): readonly [number, number] | null => {
    const ray = unproject(x, y)
    if (ray) rays++
    return ray && ray[2] > 0 ? [(fx * ray[0]) / ray[2] + cx, (fy * ray[1]) / ray[2] + cy] : null
  }
  const left = extremes(height, (i) => straight(0.5, i + 0.5)?.[0])
  const right = extremes(height, (i) => straight(width - 0.5, i + 0.5)?.[0])
  const top = extremes(width, (i) => straight(i + 0.5, 0.5)?.[1])
  const bottom = extremes(width, (i) => straight(i + 0.5, height - 0.5)?.[1])
  if (!rays) {
    throw new CameraError(
      `${camera.model} [${camera.params.join(', ')}] cannot be undistorted: no border pixel has a ray; check its parameters`,
    )
  }

  // A border that is seen behind the camera is infinitely far out: the factor becomes maxScale.
  const factor = (size: number, centre: number, near: Range, far: Range): number => {
    const end = size - 0.5 - centre
    const all = Math.min(centre / (centre - near.min), end / (far.max - centre))
    const noBlank = Math.max(centre / (centre - near.max), end / (far.min - centre))
    return Math.min(maxScale, Math.max(minScale, 1 / (all * blankPixels + noBlank * (1 - blankPixels))))
  }
  const newWidth = Math.max(1, Math.floor(factor(width, cx, left, right) * width))
  const newHeight = Math.max(1, Math.floor(factor(height, cy, top, bottom) * height))
  return { width: newWidth, height: newHeight, fx, fy, cx: (cx * newWidth) / width, cy: (cy * newHeight) / height }
}

interface Range {
  min: number
  max: number
}

function extremes(count: number, value: (i: number) => number | undefined): Range {
  const range = { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY }
  for (let i = 0; i < count; i++) {
    const v = value(i)
    if (v === undefined) continue
    range.min = Math.min(range.min, v)
    range.max = Math.max(range.max, v)
  }
  return range
}

/**
 * Where each pixel of the pinhole image `target` comes from in the image of `camera`: [height, width, 2] pixel
 * coordinates with centres at +0.5; NaN where no ray of the camera goes.
 */
export function undistortionMap(camera: Camera, target: Intrinsics): Float32Array {
  const { project } = createLens(camera)
  const { width, height, fx, fy, cx, cy } = target
  const map = new Float32Array(width * height * 2)
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 2) {
      const pixel = project([(x + 0.5 - cx) / fx, (y + 0.5 - cy) / fy, 1])
      map[at] = pixel ? pixel[0] : Number.NaN
      map[at + 1] = pixel ? pixel[1] : Number.NaN
    }
  }
  return map
}

export interface Pixels {
  readonly width: number
  readonly height: number
  readonly channels: number
  /** [height, width, channels] */
  readonly data: Uint8Array
}

/**
 * Samples an image through a map of {@link undistortionMap}, bilinearly, rounding to nearest. `size` is that of the map.
 * Coordinates outside of the source image give `blank` (0); those within half a pixel of its border repeat the border.
 */
export function remapImage(
  source: Pixels,
  map: Float32Array,
  size: { readonly width: number; readonly height: number },
  blank = 0,
): Pixels {
  const { width, height, channels, data } = source
  if (data.length !== width * height * channels || !(width > 0 && height > 0 && channels > 0)) {
    throw new CameraError(`an image of ${width} x ${height} x ${channels} needs as many bytes, got ${data.length}`)
  }
  if (map.length !== size.width * size.height * 2) {
    throw new CameraError(`a map for ${size.width} x ${size.height} pixels needs two numbers each, got ${map.length}`)
  }
  const output = new Uint8Array(size.width * size.height * channels)
  for (let pixel = 0, at = 0; pixel < size.width * size.height; pixel++, at += channels) {
    const sx = map[2 * pixel]!
    const sy = map[2 * pixel + 1]!
    if (!(sx >= 0 && sx <= width && sy >= 0 && sy <= height)) {
      output.fill(blank, at, at + channels)
      continue
    }
    const x = Math.min(width - 1, Math.max(0, sx - 0.5))
    const y = Math.min(height - 1, Math.max(0, sy - 0.5))
    const x0 = Math.floor(x)
    const y0 = Math.floor(y)
    const right = x - x0
    const down = y - y0
    const row = (y0 * width + x0) * channels
    const across = x0 + 1 < width ? channels : 0
    const below = y0 + 1 < height ? width * channels : 0
    for (let c = 0; c < channels; c++) {
      const upper = data[row + c]! * (1 - right) + data[row + across + c]! * right
      const lower = data[row + below + c]! * (1 - right) + data[row + below + across + c]! * right
      output[at + c] = Math.round(upper * (1 - down) + lower * down)
    }
  }
  return { ...size, channels, data: output }
}
