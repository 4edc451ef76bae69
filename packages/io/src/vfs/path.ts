import { PathError } from '../errors.js'

/**
 * A path in its one form: forward slashes, no empty or `.` parts, '' for the root. A path that could leave its folder is
 * a {@link PathError}.
 */
export function normalizePath(path: string): string {
  if (path.includes('\0')) throw new PathError(path, 'holds a NUL')
  if (path.includes('\\')) throw new PathError(path, 'holds a backslash')
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) throw new PathError(path, 'is absolute')
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw new PathError(path, 'leaves its folder with ..')
  return parts.join('/')
}

/** Parts joined and normalised. */
export function joinPath(...parts: readonly string[]): string {
  return normalizePath(parts.filter((part) => part !== '').join('/'))
}

/** The part behind the last slash. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** The base name without its last extension: `a/cam.00.jpg` gives `cam.00`. */
export function stem(path: string): string {
  const base = baseName(path)
  const dot = base.lastIndexOf('.')
  return dot > 0 ? base.slice(0, dot) : base
}

/** The last extension in lower case, without its dot, '' without one. */
export function extension(path: string): string {
  const base = baseName(path)
  const dot = base.lastIndexOf('.')
  return dot > 0 ? base.slice(dot + 1).toLowerCase() : ''
}

/** Order of names in which `cam2` comes before `cam10`, the same on every machine. */
export function compareNatural(a: string, b: string): number {
  const left = a.match(/\d+|\D+/g) ?? []
  const right = b.match(/\d+|\D+/g) ?? []
  for (let i = 0; i < left.length && i < right.length; i++) {
    const order = comparePart(left[i] ?? '', right[i] ?? '')
    if (order !== 0) return order
  }
  return left.length - right.length || compareText(a, b)
}

function comparePart(a: string, b: string): number {
  if (!/^\d/.test(a) || !/^\d/.test(b)) return compareText(a, b)
  const x = a.replace(/^0+(?=\d)/, '')
  const y = b.replace(/^0+(?=\d)/, '')
  return x.length - y.length || compareText(x, y)
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
