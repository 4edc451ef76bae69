import { PassThrough } from 'node:stream'
import { createTerminal } from 'clipgstream'
import { describe, expect, it } from 'vitest'
import { parseIndices, parseRange } from '../src/options.js'
import { bytesText, durationText, tableText } from '../src/terminal.js'

describe('option values', () => {
  it('parses frames and ranges', () => {
    expect(parseIndices('0,4,10-12,11')).toEqual([0, 4, 10, 11, 12])
    expect(parseRange('0-19')).toEqual([0, 19])
    for (const bad of ['', '3-', '5-2', 'a', '1,,2', '-1'])
      expect(() => parseIndices(bad)).toThrow(/numbers and ranges/)
    for (const bad of ['3', '5-2', '0-19,22']) expect(() => parseRange(bad)).toThrow(/a range such as/)
  })
})

describe('terminal', () => {
  it('prints plain lines every tenth of the way when it is not a terminal', () => {
    const out = new PassThrough()
    const progress = createTerminal(false, out).progress('clip 0', 100)
    for (let i = 1; i <= 100; i++) progress.update(i, 'note')
    progress.stop()
    expect(String(out.read()).trim().split('\n').length).toBeLessThanOrEqual(11)
  })

  it('prints only JSON with --json', () => {
    const out = new PassThrough()
    const terminal = createTerminal(true, out)
    terminal.line('text')
    terminal.progress('clip', 3).update(1)
    terminal.event({ type: 'done' })
    expect(String(out.read())).toBe('{"type":"done"}\n')
  })

  it('formats', () => {
    expect([bytesText(512), bytesText(1536), bytesText(3 * 2 ** 30)]).toEqual(['512 B', '1.5 KiB', '3.0 GiB'])
    expect([durationText(3.21), durationText(42), durationText(125)]).toEqual(['3.2 s', '42 s', '2 min 5 s'])
    expect(
      tableText([
        ['a', 'bb'],
        ['ccc', 'd'],
      ]),
    ).toBe('a    bb\nccc  d')
  })
})
