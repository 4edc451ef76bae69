// Files made by other programs that tests compare with. They are not part of this repository.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = process.env['CLIPGSTREAM_FIXTURES'] ?? fileURLToPath(new URL('../../shared', import.meta.url))

/** The path of `relative` in the fixtures folder, or null, saying so once, when it is not there. */
export function fixture(relative: string): string | null {
  const path = `${folder}/${relative}`
  if (existsSync(path)) return path
  console.warn(`skipped: ${path} is not there (set CLIPGSTREAM_FIXTURES)`)
  return null
}
