import { decodeUtf8 } from '../bytes.js'
import { shown } from '../errors.js'
import type { Vfs } from '../vfs/vfs.js'
import type { Problem } from './types.js'

/** What is used of `meta.json`; both spellings (`clip_size`, `clipSize`) are known. */
export interface Meta {
  readonly fps: number | null
  readonly clipSize: number | null
  /** Names, in the order that `testCameras` counts in. */
  readonly cameras: readonly string[] | null
  readonly testCameras: readonly (string | number)[] | null
  /** Cameras move: each image of the model is one shot, which some frames have and others do not. */
  readonly moving: boolean
}

const none: Meta = { fps: null, clipSize: null, cameras: null, testCameras: null, moving: false }

export async function readMeta(vfs: Vfs, problems: Problem[]): Promise<Meta> {
  if (!(await vfs.exists('meta.json'))) return none
  const bad = (message: string) =>
    problems.push({ severity: 'error', code: 'bad-meta', message: `meta.json: ${message}` })
  let value: unknown
  try {
    value = JSON.parse(decodeUtf8(await vfs.read('meta.json'), 'meta.json', 'text'))
  } catch (error) {
    bad(`not JSON (${error instanceof Error ? error.message : String(error)}); repair or remove it`)
    return none
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    bad(`expected an object, got ${shown(JSON.stringify(value))}`)
    return none
  }
  const entries = new Map<string, unknown>(Object.entries(value))
  const get = (...names: string[]) => names.map((name) => entries.get(name)).find((found) => found !== undefined)
  const number = (name: string, found: unknown, whole: boolean): number | null => {
    if (found === undefined) return null
    if (typeof found === 'number' && found > 0 && (whole ? Number.isSafeInteger(found) : Number.isFinite(found)))
      return found
    bad(`${name} must be a ${whole ? 'whole ' : ''}number above 0, got ${shown(JSON.stringify(found))}`)
    return null
  }
  const list = <T>(name: string, found: unknown, check: (item: unknown) => item is T): readonly T[] | null => {
    if (found === undefined || (name === 'cameras' && typeof found === 'number')) return null
    if (Array.isArray(found) && found.every(check)) return found
    bad(
      `${name} must be a list of names${name === 'cameras' ? '' : ' or indices'}, got ${shown(JSON.stringify(found))}`,
    )
    return null
  }
  const flag = (name: string, found: unknown): boolean => {
    if (found !== undefined && typeof found !== 'boolean')
      bad(`${name} must be true or false, got ${shown(JSON.stringify(found))}`)
    return found === true
  }
  return {
    fps: number('fps', get('fps'), false),
    clipSize: number('clip_size', get('clip_size', 'clipSize'), true),
    cameras: list('cameras', get('camera_names', 'cameras'), isName),
    testCameras: list('test_cameras', get('test_cameras', 'testCameras'), isNameOrIndex),
    moving: flag('moving_cameras', get('moving_cameras', 'movingCameras')),
  }
}

function isName(item: unknown): item is string {
  return typeof item === 'string'
}

function isNameOrIndex(item: unknown): item is string | number {
  return typeof item === 'string' || (typeof item === 'number' && Number.isSafeInteger(item) && item >= 0)
}
