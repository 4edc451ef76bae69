import { shown } from '../errors.js'
import { stem } from '../vfs/path.js'
import type { Meta } from './meta.js'
import type { DatasetOptions, Problem } from './types.js'

/** Names of the test cameras: from the options, else from `meta.json`, else every hold-th by name. */
export function splitCameras(
  names: readonly string[],
  options: DatasetOptions,
  meta: Meta,
  problems: Problem[],
): Set<string> {
  const bad = (message: string) => problems.push({ severity: 'error', code: 'bad-split', message })
  const test = new Set<string>()
  if (names.length === 0) return test
  const pick = (item: string | number, order: readonly string[], from: string) => {
    const name = typeof item === 'number' ? order[item] : item
    const found =
      name === undefined ? undefined : names.find((candidate) => candidate === name || candidate === stem(name))
    if (found !== undefined) test.add(found)
    else bad(`${from}: there is no camera ${shown(item)}; cameras are ${shown(names.join(', '))}`)
  }
  if (options.testCameras) for (const item of options.testCameras) pick(item, names, 'test cameras')
  else if (meta.testCameras)
    for (const item of meta.testCameras) pick(item, meta.cameras ?? names, 'meta.json test cameras')
  else {
    const hold = options.hold ?? 10
    for (let i = 0; i < names.length; i += hold) test.add(names[i] ?? '')
  }
  if (test.size === names.length) {
    bad(`all ${names.length} cameras are test cameras; name the test cameras, or none, to leave some for training`)
  }
  return test
}
