/** Base of every error that reading or writing raises on purpose. */
export class IoError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** A file does not hold what its format asks for. */
export class FormatError extends IoError {
  constructor(
    readonly file: string,
    /** Place in the file: an element, a line or a byte offset. */
    readonly where: string,
    readonly expected: string,
    readonly actual: string,
    options?: ErrorOptions,
  ) {
    super(`${file}: ${where}: expected ${expected}, got ${actual}`, options)
  }
}

/** A path that may not be used inside a folder: absolute, with `..`, a backslash or a NUL. */
export class PathError extends IoError {
  constructor(
    readonly path: string,
    readonly reason: string,
  ) {
    super(`path ${JSON.stringify(path)} ${reason}; use a relative path with forward slashes inside the folder`)
  }
}

/** There is no such file or folder in a source. */
export class MissingFileError extends IoError {
  constructor(
    readonly source: string,
    readonly path: string,
    options?: ErrorOptions,
  ) {
    super(path === '' || path === source ? `there is no folder ${source}` : `${source} has no ${path}`, options)
  }
}

/** What a caller asked for cannot be done; the message says the value and what is allowed. */
export class OptionError extends IoError {
  constructor(
    readonly option: string,
    readonly value: unknown,
    readonly expected: string,
  ) {
    super(`${option} must be ${expected}, got ${String(value)}`)
  }
}

/** A short, printable form of a value found in a file. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return shorten(`[${value.slice(0, 80).map(shownInside).join(', ')}]`)
  if (typeof value === 'object' && value !== null) return 'an object'
  return shorten(typeof value === 'string' ? JSON.stringify(value) : String(value))
}

/** Objects out of a file are not asked for their text: they may have a member `toString` that is none. */
function shownInside(value: unknown): string {
  if (Array.isArray(value))
    return value.every((one) => typeof one !== 'object') ? value.slice(0, 80).join(',') : '[...]'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
