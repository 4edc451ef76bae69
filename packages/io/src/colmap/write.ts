import { ByteWriter } from '../bytes.js'
import { IoError } from '../errors.js'
import { cameraModelByName } from './cameras.js'
import type { ColmapCamera, ColmapImage, ColmapPoints3D } from './types.js'

export interface ColmapContent {
  readonly cameras: Iterable<ColmapCamera>
  readonly images: Iterable<ColmapImage>
  readonly points3D?: ColmapPoints3D | null
}

/** The files of a classic model by name, to be written into one folder. */
export function writeColmapModel(content: ColmapContent, format: 'binary' | 'text'): Record<string, Uint8Array> {
  const points3D = content.points3D ?? noPoints
  const cameras = [...content.cameras]
  for (const { id, model, params } of cameras) {
    const count = cameraModelByName(model)?.parameters.length
    if (params.length !== count)
      throw new IoError(`camera ${id}: ${model} takes ${count} parameters, got ${params.length}`)
  }
  const images = [...content.images]
  for (const { name } of images) {
    if (name.trim() !== name || name === '' || /[\0\r\n]/.test(name)) {
      throw new IoError(`an image name is one line without outer spaces, got ${JSON.stringify(name)}`)
    }
  }
  if (format === 'binary') {
    return {
      'cameras.bin': camerasBinary(cameras),
      'images.bin': imagesBinary(images),
      'points3D.bin': pointsBinary(points3D),
    }
  }
  const encode = (lines: readonly string[]) => new TextEncoder().encode(`${lines.join('\n')}\n`)
  return {
    'cameras.txt': encode(camerasText(cameras)),
    'images.txt': encode(imagesText(images)),
    'points3D.txt': encode(pointsText(points3D)),
  }
}

const noPoints: ColmapPoints3D = {
  count: 0,
  ids: new BigInt64Array(0),
  positions: new Float64Array(0),
  colors: new Uint8Array(0),
  errors: new Float64Array(0),
  trackStarts: new Uint32Array(1),
  trackImageIds: new Uint32Array(0),
  trackPoints2D: new Uint32Array(0),
}

function camerasBinary(cameras: readonly ColmapCamera[]): Uint8Array {
  const out = new ByteWriter()
  out.u64(cameras.length)
  for (const { id, model, width, height, params } of cameras) {
    out.u32(id)
    out.i32(cameraModelByName(model)?.id ?? -1)
    out.u64(width)
    out.u64(height)
    for (const value of params) out.f64(value)
  }
  return out.finish()
}

function imagesBinary(images: readonly ColmapImage[]): Uint8Array {
  const out = new ByteWriter()
  out.u64(images.length)
  for (const { id, pose, cameraId, name, points2D } of images) {
    out.u32(id)
    for (const value of [...pose.rotation, ...pose.translation]) out.f64(value)
    out.u32(cameraId)
    out.raw(new TextEncoder().encode(`${name}\0`))
    const count = points2D?.pointIds.length ?? 0
    out.u64(count)
    for (let i = 0; points2D && i < count; i++) {
      out.f64(points2D.xy[i * 2]!)
      out.f64(points2D.xy[i * 2 + 1]!)
      out.i64(points2D.pointIds[i]!)
    }
  }
  return out.finish()
}

function pointsBinary(points: ColmapPoints3D): Uint8Array {
  const out = new ByteWriter()
  out.u64(points.count)
  for (let i = 0; i < points.count; i++) {
    out.i64(points.ids[i]!)
    for (let c = 0; c < 3; c++) out.f64(points.positions[i * 3 + c]!)
    for (let c = 0; c < 3; c++) out.u8(points.colors[i * 3 + c]!)
    out.f64(points.errors[i]!)
    const start = points.trackStarts[i]!
    const end = points.trackStarts[i + 1]!
    out.u64(end - start)
    for (let k = start; k < end; k++) {
      out.u32(points.trackImageIds[k]!)
      out.u32(points.trackPoints2D[k]!)
    }
  }
  return out.finish()
}

function camerasText(cameras: readonly ColmapCamera[]): string[] {
  return [
    '# Camera list with one line of data per camera:',
    '#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]',
    `# Number of cameras: ${cameras.length}`,
    ...cameras.map(({ id, model, width, height, params }) => [id, model, width, height, ...params].join(' ')),
  ]
}

function imagesText(images: readonly ColmapImage[]): string[] {
  const lines = [
    '# Image list with two lines of data per image:',
    '#   IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME',
    '#   POINTS2D[] as (X, Y, POINT3D_ID)',
    `# Number of images: ${images.length}`,
  ]
  for (const { id, pose, cameraId, name, points2D } of images) {
    lines.push([id, ...pose.rotation, ...pose.translation, cameraId, name].join(' '))
    const words: (number | bigint)[] = []
    for (let i = 0; points2D && i < points2D.pointIds.length; i++) {
      words.push(points2D.xy[i * 2]!, points2D.xy[i * 2 + 1]!, points2D.pointIds[i]!)
    }
    lines.push(words.join(' '))
  }
  return lines
}

function pointsText(points: ColmapPoints3D): string[] {
  const lines = [
    '# 3D point list with one line of data per point:',
    '#   POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, POINT2D_IDX)',
    `# Number of points: ${points.count}`,
  ]
  for (let i = 0; i < points.count; i++) {
    const words: (number | bigint)[] = [points.ids[i]!]
    words.push(
      ...points.positions.subarray(i * 3, i * 3 + 3),
      ...points.colors.subarray(i * 3, i * 3 + 3),
      points.errors[i]!,
    )
    for (let k = points.trackStarts[i]!; k < points.trackStarts[i + 1]!; k++) {
      words.push(points.trackImageIds[k]!, points.trackPoints2D[k]!)
    }
    lines.push(words.join(' '))
  }
  return lines
}
