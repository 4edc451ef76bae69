import { FormatError } from '../errors.js'

export type Json = null | boolean | number | string | Json[] | JsonObject
export type JsonObject = Map<string, Json>

const deepest = 32

/**
 * Strict JSON in which no object may hold a key twice, which `JSON.parse` lets pass. Objects become maps, so that no key
 * (`__proto__`) is special. White space is allowed around values.
 */
export function parseStrictJson(text: string, file: string): Json {
  let at = 0
  const fail = (expected: string): never => {
    throw new FormatError(
      file,
      `header character ${at}`,
      expected,
      at < text.length ? JSON.stringify(text[at]) : 'the end',
    )
  }
  const space = () => {
    while (at < text.length && ' \t\n\r'.includes(text[at] ?? '')) at++
  }
  const take = (character: string) => {
    if (text[at] !== character) fail(`'${character}'`)
    at++
  }

  const string = (): string => {
    const start = at
    take('"')
    for (;;) {
      const character = text.charCodeAt(at)
      if (!(character >= 32)) fail('a string that ends, without control characters')
      at += character === 92 ? 2 : 1
      if (character === 34) break
    }
    try {
      return String(JSON.parse(text.slice(start, at)))
    } catch {
      at = start
      return fail('a JSON string')
    }
  }
  const object = (depth: number): JsonObject => {
    const map: JsonObject = new Map()
    take('{')
    space()
    if (text[at] === '}') {
      at++
      return map
    }
    for (;;) {
      space()
      const start = at
      const key = string()
      if (map.has(key)) {
        at = start
        fail(`each key once; ${JSON.stringify(key)} comes again`)
      }
      space()
      take(':')
      map.set(key, value(depth + 1))
      space()
      if (text[at] === '}') break
      take(',')
    }
    at++
    return map
  }
  const list = (depth: number): Json[] => {
    const values: Json[] = []
    take('[')
    space()
    if (text[at] === ']') {
      at++
      return values
    }
    for (;;) {
      values.push(value(depth + 1))
      space()
      if (text[at] === ']') break
      take(',')
    }
    at++
    return values
  }
  const value = (depth: number): Json => {
    if (depth > deepest) fail(`values at most ${deepest} deep`)
    space()
    switch (text[at]) {
      case '{':
        return object(depth)
      case '[':
        return list(depth)
      case '"':
        return string()
      default: {
        const word = /(?:true|false|null|-?(?:0|[1-9]\d{0,400})(?:\.\d{1,400})?(?:[eE][+-]?\d{1,400})?)/y
        word.lastIndex = at
        const match = word.exec(text)
        if (!match) return fail('a JSON value')
        at += match[0].length
        return JSON.parse(match[0]) as null | boolean | number
      }
    }
  }

  const result = value(0)
  space()
  if (at !== text.length) fail('nothing behind the value')
  return result
}
