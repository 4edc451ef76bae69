import { decodeUtf8 } from '../bytes.js'
import { FormatError, shown } from '../errors.js'
import { cameraModelByName, colmapCameraModels } from './cameras.js'
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

/** The words of one line, taken from the left. */
class Words {
  #at = 0
  readonly words: readonly string[]

  constructor(
    text: string,
    readonly file: string,
    readonly line: number,
  ) {
    this.words = text.trim() === '' ? [] : text.trim().split(/\s+/)
  }

  get left(): number {
    return this.words.length - this.#at
  }

  word(what: string): string {
    const word = this.words[this.#at]
    if (word === undefined) throw this.error(what, 'a word', 'the end of the line')
    this.#at++
    return word
  }

  number(what: string): number {
    const word = this.word(what)
    if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(word)) throw this.error(what, 'a number', shown(word))
    return Number(word)
  }

  whole(what: string, most = 2 ** 32 - 1): number {
    const word = this.word(what)
    const value = /^\d{1,16}$/.test(word) ? Number(word) : Number.NaN
    if (!(value <= most)) throw this.error(what, `a whole number up to ${most}`, shown(word))
    return value
  }

  id64(what: string): bigint {
    const word = this.word(what)
    if (!/^-?\d{1,18}$/.test(word)) throw this.error(what, 'a whole number', shown(word))
    return BigInt(word)
  }

  pose(what: string): RigidTransform {
    const numbers = Array.from({ length: 7 }, () => this.number(what))
    return poseOf(numbers, this.file, `line ${this.line}, ${what}`)
  }

  sensor(what: string): ColmapSensor {
    const type = this.word(`${what} type`)
    if (type !== 'CAMERA' && type !== 'IMU') throw this.error(`${what} type`, 'CAMERA or IMU', shown(type))
    return { type: type === 'CAMERA' ? 0 : 1, id: this.whole(`${what} id`) }
  }

  end(): void {
    if (this.left > 0) throw this.error('end of line', 'no more words', `${this.left}`)
  }

  error(what: string, expected: string, actual: string): FormatError {
    return new FormatError(this.file, `line ${this.line}, ${what}`, expected, actual)
  }
}

function* lines(bytes: Uint8Array, file: string): Generator<{ text: string; line: number }> {
  const all = decodeUtf8(bytes, file, 'text').split('\n')
  for (const [i, raw] of all.entries()) yield { text: raw.endsWith('\r') ? raw.slice(0, -1) : raw, line: i + 1 }
}

function* records(bytes: Uint8Array, file: string): Generator<Words> {
  for (const { text, line } of lines(bytes, file)) {
    if (text.trim() !== '' && !text.trimStart().startsWith('#')) yield new Words(text, file, line)
  }
}

export function readCamerasText(bytes: Uint8Array, file: string): ColmapCamera[] {
  return [...records(bytes, file)].map((words) => {
    const id = words.whole('camera id')
    const name = words.word('model')
    const model = cameraModelByName(name)
    if (!model) throw words.error('model', `one of ${colmapCameraModels.map((one) => one.name).join(' ')}`, shown(name))
    const width = words.whole('width')
    const height = words.whole('height')
    const params = model.parameters.map((parameter) => words.number(parameter))
    words.end()
    return checkCamera({ id, model: model.name, width, height, params }, file, `line ${words.line}`)
  })
}

/** Two lines an image: the record, whose name runs to the end of the line, then its points, which may be none. */
export function readImagesText(bytes: Uint8Array, file: string, withPoints: boolean): ColmapImage[] {
  const images: ColmapImage[] = []
  let image: Omit<ColmapImage, 'points2D'> | null = null
  for (const { text, line } of lines(bytes, file)) {
    if (image) {
      images.push({ ...image, points2D: withPoints ? readPoints2D(new Words(text, file, line)) : null })
      image = null
      continue
    }
    if (text.trim() === '' || text.trimStart().startsWith('#')) continue
    const words = new Words(text, file, line)
    const id = words.whole('image id')
    const pose = words.pose('pose')
    const cameraId = words.whole('camera id')
    const name = /^\s*(?:\S+\s+){9}(\S.*?)\s*$/.exec(text)?.[1]
    if (name === undefined) throw words.error('name', 'a name', 'the end of the line')
    image = { id, name, cameraId, pose }
  }
  // The last line of points may be missing with its line end, when it is empty.
  if (image)
    images.push({ ...image, points2D: withPoints ? { xy: new Float64Array(0), pointIds: new BigInt64Array(0) } : null })
  return images
}

function readPoints2D(words: Words): ColmapPoints2D {
  if (words.left % 3 !== 0) throw words.error('points', 'x y id for each point', `${words.left} words`)
  const count = words.left / 3
  const xy = new Float64Array(count * 2)
  const pointIds = new BigInt64Array(count)
  for (let i = 0; i < count; i++) {
    xy[i * 2] = words.number('x')
    xy[i * 2 + 1] = words.number('y')
    pointIds[i] = words.id64('point id')
  }
  return { xy, pointIds }
}

export function readPoints3DText(bytes: Uint8Array, file: string): ColmapPoints3D {
  const ids: bigint[] = []
  const positions: number[] = []
  const colors: number[] = []
  const errors: number[] = []
  const starts = [0]
  const imageIds: number[] = []
  const points2D: number[] = []
  for (const words of records(bytes, file)) {
    ids.push(words.id64('point id'))
    for (const axis of 'xyz') positions.push(words.number(axis))
    for (const channel of 'rgb') colors.push(words.whole(channel, 255))
    errors.push(words.number('error'))
    if (words.left % 2 !== 0) throw words.error('track', 'pairs of image and point', `${words.left} words`)
    while (words.left > 0) {
      imageIds.push(words.whole('track image'))
      points2D.push(words.whole('track point'))
    }
    starts.push(imageIds.length)
  }
  return {
    count: ids.length,
    ids: BigInt64Array.from(ids),
    positions: Float64Array.from(positions),
    colors: Uint8Array.from(colors),
    errors: Float64Array.from(errors),
    trackStarts: Uint32Array.from(starts),
    trackImageIds: Uint32Array.from(imageIds),
    trackPoints2D: Uint32Array.from(points2D),
  }
}

export function readRigsText(bytes: Uint8Array, file: string): ColmapRig[] {
  return [...records(bytes, file)].map((words) => {
    const id = words.whole('rig id')
    const size = words.whole('number of sensors')
    if (size * 2 > words.left + 1) throw words.error('number of sensors', `at most ${words.left / 2}`, `${size}`)
    const sensors: ColmapRig['sensors'][number][] = []
    for (let k = 0; k < size; k++) {
      const sensor = words.sensor(`sensor ${k}`)
      const known = k === 0 || words.whole('has pose', 1) === 1
      sensors.push({ ...sensor, pose: k === 0 ? identity : known ? words.pose(`sensor ${k}`) : null })
    }
    words.end()
    return { id, sensors }
  })
}

export function readFramesText(bytes: Uint8Array, file: string): ColmapFrame[] {
  return [...records(bytes, file)].map((words) => {
    const id = words.whole('frame id')
    const rigId = words.whole('rig id')
    const pose = words.pose('pose')
    const size = words.whole('number of data')
    if (size * 3 > words.left) throw words.error('number of data', `at most ${words.left / 3}`, `${size}`)
    const data: ColmapFrame['data'][number][] = []
    for (let k = 0; k < size; k++) {
      data.push({ ...words.sensor('data'), dataId: words.whole('data id', Number.MAX_SAFE_INTEGER) })
    }
    words.end()
    return { id, rigId, pose, data }
  })
}
