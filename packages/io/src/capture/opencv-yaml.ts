import { FormatError, shown } from '../errors.js'
import { Field } from './fields.js'

const mostLines = 1_000_000

/**
 * What OpenCV's FileStorage writes as YAML 1.0, at its top level: numbers, texts, lists, and `!!opencv-matrix` with rows, cols
 * and data, which becomes a list of lists (a list where it has one row or column). Nested maps are passed over.
 */
export function parseOpencvYaml(text: string, file: string): Field {
  const lines = text.split(/\r\n|\r|\n/)
  if (lines.length > mostLines) throw new FormatError(file, 'text', `at most ${mostLines} lines`, `${lines.length}`)
  const values = new Map<string, unknown>()
  let at = 0
  const fail = (expected: string, line = at): never => {
    const actual = lines[line]
    throw new FormatError(file, `line ${line + 1}`, expected, actual === undefined ? 'the end' : shown(actual))
  }
  const skipped = (line: string) => /^\s*(#.*)?$/.test(line) || /^(%YAML|---|\.\.\.)/.test(line)
  /** The lines of a value that goes on, indented, after its key. */
  const block = (): string[] => {
    const own: string[] = []
    for (at++; at < lines.length; at++) {
      const line = lines[at] ?? ''
      // Lists may stand at the indentation of their key.
      if (!skipped(line) && !/^(\s|-\s)/.test(line)) break
      if (!skipped(line)) own.push(line)
    }
    return own
  }

  while (at < lines.length) {
    const line = lines[at] ?? ''
    if (skipped(line)) {
      at++
      continue
    }
    const start = at
    const match = /^("?)([^\s:"]{1,256})\1\s*:\s*(.*)$/.exec(line) ?? fail('a key, a colon and a value')
    const key = match[2] ?? ''
    const head = (match[3] ?? '').trim()
    if (values.has(key)) fail(`each key once; ${key} comes again`)
    const own = block()
    values.set(
      key,
      parseValue(head, own, (expected) => fail(expected, start)),
    )
  }
  return new Field(file, 'top', Object.fromEntries(values))
}

function parseValue(head: string, lines: readonly string[], fail: (expected: string) => never): unknown {
  if (head.startsWith('!!opencv-matrix')) return parseMatrix(lines, fail)
  const rest = [head, ...lines].join(' ').trim()
  if (rest.startsWith('[')) return flowList(rest, fail)
  if (head === '' && lines.every((line) => /^\s*-\s/.test(line)))
    return lines.map((line) => scalar(line.replace(/^\s*-\s+/, '').trim()))
  if (head === '') return null
  return scalar(head)
}

function parseMatrix(lines: readonly string[], fail: (expected: string) => never): unknown {
  const text = lines.join('\n')
  const number = (name: string) => {
    const found = new RegExp(`(?:^|\\n)\\s*${name}\\s*:\\s*(\\d{1,9})\\s*(?:\\n|$)`).exec(text)
    return found ? Number(found[1]) : fail(`a matrix with ${name}`)
  }
  const rows = number('rows')
  const columns = number('cols')
  const start = text.indexOf('data:')
  const data = start < 0 ? fail('a matrix with data') : flowList(text.slice(start + 5).trim(), fail)
  if (data.length !== rows * columns) fail(`a matrix of ${rows} x ${columns} numbers, got ${data.length}`)
  if (rows === 1 || columns === 1) return data
  return Array.from({ length: rows }, (_, r) => data.slice(r * columns, (r + 1) * columns))
}

function flowList(text: string, fail: (expected: string) => never): unknown[] {
  const match = /^\[([^[\]]*)\]\s*$/.exec(text) ?? fail('a list in brackets')
  const inside = (match[1] ?? '').trim()
  return inside === '' ? [] : inside.split(',').map((item) => scalar(item.trim()))
}

function scalar(text: string): unknown {
  const quoted = /^(["'])(.*)\1$/.exec(text)
  if (quoted) return quoted[2] ?? ''
  return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : text
}
