import type { z } from 'zod'
import { type Config, configSchema, type PartialConfig } from './config.js'
import { ConfigError } from './errors.js'
import { isTree, merge } from './merge.js'
import { type PresetName, preset, presetNames } from './presets.js'

export interface ConfigSources {
  /** Where to start; a file may name one too, and is overruled. */
  preset?: PresetName | string
  /** A parsed configuration file; may have a key `preset`. */
  file?: unknown
  /** Strongest: an object, or `optimizer.iterations=500` strings. */
  overrides?: PartialConfig | readonly string[]
}

/**
 * The effective configuration: overrides over file over preset (`default` when none is named).
 * A key that does not exist or a value of the wrong kind throws {@link ConfigError} with the key and a suggestion.
 */
export function resolveConfig({ preset: name, file = {}, overrides = {} }: ConfigSources = {}): Config {
  if (!isTree(file)) throw new ConfigError('file', 'must hold an object of settings')
  const { preset: named, ...settings } = file
  const start = presetCalled(name ?? (named === undefined ? 'default' : String(named)))
  const over = isList(overrides) ? overrides.reduce<object>((all, item) => merge(all, assignment(item)), {}) : overrides
  return parseConfig(merge(merge(start, settings), over))
}

/** Checks a whole configuration, for example one that a run has stored. */
export function parseConfig(value: unknown): Config {
  const parsed = configSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  if (!issue) throw new ConfigError('configuration', parsed.error.message)
  throw configError(issue, value)
}

function configError(issue: z.core.$ZodIssue, value: unknown): ConfigError {
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys') {
    const unknown = [...path, issue.keys[0] ?? ''].join('.')
    return new ConfigError(unknown, `there is no such setting; did you mean ${nearest(unknown, settingNames())}?`)
  }
  const given = path.reduce<unknown>(
    (at, key) => (isTree(at) || Array.isArray(at) ? at[key as never] : undefined),
    value,
  )
  return new ConfigError(path.join('.'), `${issue.message}, got ${JSON.stringify(given) ?? 'nothing'}`)
}

function presetCalled(name: string): Config {
  const known = presetNames.find((candidate) => candidate === name)
  if (known) return preset(known)
  throw new ConfigError('preset', `there is none called ${JSON.stringify(name)}; take one of ${presetNames.join(', ')}`)
}

/** `a.b=value` as nested objects; the value is JSON, or a word. */
function assignment(text: string): object {
  const at = text.indexOf('=')
  if (at < 1) throw new ConfigError(text, 'write a setting as key=value, for example optimizer.iterations=500')
  const key = text.slice(0, at).trim()
  const tree = key
    .split('.')
    .reduceRight<unknown>((inner, part) => ({ [part]: inner }), parseValue(text.slice(at + 1).trim()))
  return isTree(tree) ? tree : {}
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Dotted names of every setting and group. */
export function settingNames(): string[] {
  const walk = (tree: object, prefix: string): string[] =>
    Object.entries(tree).flatMap(([key, value]) => [
      prefix + key,
      ...(isTree(value) ? walk(value, `${prefix}${key}.`) : []),
    ])
  return walk(preset('default'), '')
}

function nearest(name: string, candidates: readonly string[]): string {
  const last = (dotted: string) => dotted.slice(dotted.lastIndexOf('.') + 1)
  const cost = (candidate: string) =>
    Math.min(distance(name, candidate), distance(last(name), last(candidate)) + (candidate.includes('.') ? 0.5 : 0))
  return candidates.reduce((best, candidate) => (cost(candidate) < cost(best) ? candidate : best))
}

/** Levenshtein distance, ignoring case. */
function distance(a: string, b: string): number {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()]
  let row = Array.from({ length: right.length + 1 }, (_, j) => j)
  for (let i = 1; i <= left.length; i++) {
    const next = [i]
    for (let j = 1; j <= right.length; j++) {
      const change = row[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1)
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[right.length]!
}

function isList(value: object): value is readonly string[] {
  return Array.isArray(value)
}
