import { NonFiniteError } from '@clipgstream/trainer'
import { CommandError, exitCodes, report } from 'clipgstream'
import { afterEach, describe, expect, it, vi } from 'vitest'

afterEach(() => {
  process.exitCode = undefined
})

function reported(error: unknown): { code: unknown; text: string } {
  let text = ''
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((part) => {
    text += String(part)
    return true
  })
  report(error)
  spy.mockRestore()
  return { code: process.exitCode, text }
}

describe('exit codes', () => {
  it('prints expected failures as one message and bugs with their stack', () => {
    expect(reported(new CommandError('no such view'))).toEqual({ code: 1, text: 'no such view\n' })
    expect(reported(new NonFiniteError(0, 7, 'the loss', 5)).code).toBe(exitCodes.diverged)
    const bug = reported(new TypeError('x is undefined'))
    expect(bug.code).toBe(exitCodes.bug)
    expect(bug.text).toContain('at ')
  })
})
