import { FormatError, IoError, MissingFileError, shown } from '../errors.js'
import { normalizePath } from './path.js'
import { type ByteSource, listFiles, treeVfs, type Vfs } from './vfs.js'

/** Sizes of all files of a folder, since HTTP cannot list one. */
export interface Manifest {
  readonly files: Readonly<Record<string, number>>
}

export interface FetchOptions {
  /** The manifest, or where it lies; by default `manifest.json` under the base URL. */
  readonly manifest?: Manifest | string
  readonly fetch?: typeof fetch
}

/** The manifest to put beside a folder as `manifest.json` before it is served. */
export async function createManifest(vfs: Vfs): Promise<Manifest> {
  const files: Record<string, number> = {}
  for (const path of await listFiles(vfs)) files[path] = await vfs.size(path)
  return { files }
}

/**
 * A folder behind a URL. Ranges are asked for with a `Range` header; a server that does not know it sends the whole file,
 * which is cut here. A file of another size than the manifest says is an error.
 */
export async function fetchFolder(baseUrl: string | URL, options: FetchOptions = {}): Promise<Vfs> {
  const get = options.fetch ?? fetch
  const base = String(baseUrl).replace(/\/*$/, '/')
  const place = typeof options.manifest === 'string' ? options.manifest : `${base}manifest.json`
  const manifest =
    typeof options.manifest === 'object'
      ? options.manifest
      : parseManifest(await (await load(get, place)).text(), place)
  const files = new Map<string, ByteSource>()
  for (const [path, size] of Object.entries(manifest.files)) {
    const clean = normalizePath(path)
    const url = base + clean.split('/').map(encodeURIComponent).join('/')
    files.set(clean, { name: clean, size, read: (start, end) => readUrl(get, url, size, start, end) })
  }
  return treeVfs(base.replace(/\/$/, ''), files)
}

async function readUrl(get: typeof fetch, url: string, size: number, start: number, end: number): Promise<Uint8Array> {
  if (start === end) return new Uint8Array(0)
  const whole = start === 0 && end === size
  const response = await load(get, url, whole ? {} : { headers: { Range: `bytes=${start}-${end - 1}` } })
  const bytes = new Uint8Array(await response.arrayBuffer())
  const partial = response.status === 206
  const expected = partial ? end - start : size
  if (bytes.length !== expected) {
    throw new FormatError(url, partial ? `bytes ${start}-${end - 1}` : 'length', `${expected} bytes`, `${bytes.length}`)
  }
  return partial || whole ? bytes : bytes.slice(start, end)
}

async function load(get: typeof fetch, url: string, init: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await get(url, init)
  } catch (cause) {
    throw new IoError(`${url} cannot be fetched: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  if (response.status === 404) throw new MissingFileError('server', url)
  if (!response.ok) throw new IoError(`${url} cannot be fetched: HTTP ${response.status} ${response.statusText}`)
  return response
}

function parseManifest(text: string, file: string): Manifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new FormatError(file, 'manifest', 'JSON', shown(text), { cause })
  }
  const list = typeof value === 'object' && value !== null && 'files' in value ? value.files : undefined
  if (typeof list !== 'object' || list === null || Array.isArray(list)) {
    throw new FormatError(file, 'manifest', '{"files": {path: bytes}}', shown(text))
  }
  const files: Record<string, number> = {}
  for (const [path, size] of Object.entries(list)) {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      throw new FormatError(file, `size of ${shown(path)}`, 'a number of bytes', shown(size))
    }
    Object.defineProperty(files, normalizePath(path), { value: size, enumerable: true })
  }
  return { files }
}
