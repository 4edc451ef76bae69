import { ByteReader } from '../bytes.js'
import { FormatError } from '../errors.js'
import { cameraModelById, colmapCameraModels } from './cameras.js'
import { checkCamera } from './check.js'
import { identity, poseOf } from './pose.js'
import type {
  ColmapCamera,
  ColmapFrame,
  ColmapImage,
  ColmapPoints2D,
  ColmapPoints3D,
  ColmapRig,
  ColmapSensor,
  RigidTransform,
} from './types.js'

const longestName = 4096

export function readCamerasBinary(bytes: Uint8Array, file: string): ColmapCamera[] {
  const reader = new ByteReader(bytes, file)
  const count = reader.count('number of cameras', 24)
  const cameras: ColmapCamera[] = []
  for (let i = 0; i < count; i++) {
    const where = `camera ${i}`
    const at = reader.offset
    const id = reader.u32(where)
    const number = reader.i32(where)
    const model = cameraModelById(number)
    if (!model) {
      throw new FormatError(file, `${where} at byte ${at}, model`, `0 to ${colmapCameraModels.length - 1}`, `${number}`)
    }
    const width = reader.u64(`${where} width`)
    const height = reader.u64(`${where} height`)
    const params = model.parameters.map((name) => reader.f64(`${where} ${name}`))
    cameras.push(checkCamera({ id, model: model.name, width, height, params }, file, `${where} at byte ${at}`))
  }
  return end(reader, cameras)
}

export function readImagesBinary(bytes: Uint8Array, file: string, withPoints: boolean): ColmapImage[] {
  const reader = new ByteReader(bytes, file)
  const count = reader.count('number of images', 73)
  const images: ColmapImage[] = []
  for (let i = 0; i < count; i++) {
    const where = `image ${i}`
    const id = reader.u32(where)
    const pose = readPose(reader, where)
    const cameraId = reader.u32(where)
    const name = reader.text(`${where} name`, longestName)
    const points = reader.count(`${where} number of points`, 24)
    images.push({ id, name, cameraId, pose, points2D: readPoints2D(reader, points, where, withPoints) })
  }
  return end(reader, images)
}

function readPoints2D(reader: ByteReader, count: number, where: string, wanted: boolean): ColmapPoints2D | null {
  if (!wanted) {
    reader.take(count * 24, where)
    return null
  }
  const xy = new Float64Array(count * 2)
  const pointIds = new BigInt64Array(count)
  for (let i = 0; i < count; i++) {
    xy[i * 2] = reader.f64(where)
    xy[i * 2 + 1] = reader.f64(where)
    pointIds[i] = reader.i64(where)
  }
  return { xy, pointIds }
}

export function readPoints3DBinary(bytes: Uint8Array, file: string): ColmapPoints3D {
  const reader = new ByteReader(bytes, file)
  const count = reader.count('number of points', 51)
  const points = {
    count,
    ids: new BigInt64Array(count),
    positions: new Float64Array(count * 3),
    colors: new Uint8Array(count * 3),
    errors: new Float64Array(count),
    trackStarts: new Uint32Array(count + 1),
  }
  const imageIds: number[] = []
  const points2D: number[] = []
  for (let i = 0; i < count; i++) {
    const where = `point ${i}`
    points.ids[i] = reader.i64(where)
    for (let c = 0; c < 3; c++) points.positions[i * 3 + c] = reader.f64(where)
    for (let c = 0; c < 3; c++) points.colors[i * 3 + c] = reader.u8(where)
    points.errors[i] = reader.f64(where)
    const track = reader.count(`${where} track length`, 8)
    for (let k = 0; k < track; k++) {
      imageIds.push(reader.u32(where))
      points2D.push(reader.u32(where))
    }
    points.trackStarts[i + 1] = imageIds.length
  }
  return end(reader, {
    ...points,
    trackImageIds: Uint32Array.from(imageIds),
    trackPoints2D: Uint32Array.from(points2D),
  })
}

export function readRigsBinary(bytes: Uint8Array, file: string): ColmapRig[] {
  const reader = new ByteReader(bytes, file)
  const count = reader.count('number of rigs', 8)
  const rigs: ColmapRig[] = []
  for (let i = 0; i < count; i++) {
    const where = `rig ${i}`
    const id = reader.u32(where)
    const size = reader.u32(`${where} number of sensors`)
    reader.checkCount(size, `${where} number of sensors`, 8)
    const sensors: ColmapRig['sensors'][number][] = []
    for (let k = 0; k < size; k++) {
      const sensor = readSensor(reader, `${where} sensor ${k}`)
      const known = k === 0 || reader.u8(`${where} sensor ${k}`) !== 0
      sensors.push({ ...sensor, pose: k === 0 ? identity : known ? readPose(reader, `${where} sensor ${k}`) : null })
    }
    rigs.push({ id, sensors })
  }
  return end(reader, rigs)
}

export function readFramesBinary(bytes: Uint8Array, file: string): ColmapFrame[] {
  const reader = new ByteReader(bytes, file)
  const count = reader.count('number of frames', 68)
  const frames: ColmapFrame[] = []
  for (let i = 0; i < count; i++) {
    const where = `frame ${i}`
    const id = reader.u32(where)
    const rigId = reader.u32(where)
    const pose = readPose(reader, where)
    const size = reader.u32(`${where} number of data`)
    reader.checkCount(size, `${where} number of data`, 16)
    const data: ColmapFrame['data'][number][] = []
    for (let k = 0; k < size; k++) data.push({ ...readSensor(reader, where), dataId: reader.u64(`${where} data id`) })
    frames.push({ id, rigId, pose, data })
  }
  return end(reader, frames)
}

function readSensor(reader: ByteReader, where: string): ColmapSensor {
  return { type: reader.i32(where), id: reader.u32(where) }
}

function readPose(reader: ByteReader, where: string): RigidTransform {
  const at = reader.offset
  const numbers = Array.from({ length: 7 }, () => reader.f64(`${where} pose`))
  return poseOf(numbers, reader.file, `${where} pose at byte ${at}`)
}

function end<T>(reader: ByteReader, result: T): T {
  if (reader.left > 0) throw reader.error('end', 'nothing behind the last record', `${reader.left} more bytes`)
  return result
}
