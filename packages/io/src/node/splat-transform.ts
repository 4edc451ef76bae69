import { IoError, OptionError } from '../errors.js'
import { type GaussianCloud, writeGaussianPly } from '../ply/gaussians.js'

/** SOG: PlayCanvas' bundle of images. GLB: glTF with KHR_gaussian_splatting. */
export type SplatFormat = 'sog' | 'glb'

export const splatFormats: readonly SplatFormat[] = ['sog', 'glb']

/** What is used of `@playcanvas/splat-transform`. */
interface SplatTransform {
  readFile(options: object): Promise<readonly unknown[]>
  writeFile(options: object, files: object): Promise<void>
  MemoryReadFileSystem: new () => { set(name: string, bytes: Uint8Array): void }
  MemoryFileSystem: new () => { readonly results: ReadonlyMap<string, Uint8Array> }
}

const packageName = '@playcanvas/splat-transform'

/** The package that a format needs is not there. */
export class SplatTransformMissingError extends IoError {}

/**
 * Gaussians in a format that `@playcanvas/splat-transform` writes, an optional peer of version 2.7 (3 needs Node 22) that is
 * loaded when it is first needed. Throws a {@link SplatTransformMissingError} when it is not installed.
 */
export async function writeSplats(cloud: GaussianCloud, format: SplatFormat): Promise<Uint8Array> {
  if (!splatFormats.includes(format)) throw new OptionError('format', format, splatFormats.join(' or '))
  const { readFile, writeFile, MemoryReadFileSystem, MemoryFileSystem } = await load(format)
  const input = new MemoryReadFileSystem()
  input.set('in.ply', writeGaussianPly(cloud))
  const read = { filename: 'in.ply', inputFormat: 'ply', options: {}, params: [], fileSystem: input }
  const [dataTable] = await readFile(read)
  if (dataTable === undefined) throw new IoError(`${packageName} read no Gaussians`)
  const output = new MemoryFileSystem()
  const filename = `out.${format}`
  const outputFormat = format === 'sog' ? 'sog-bundle' : 'glb'
  await writeFile({ filename, outputFormat, dataTable, options: { iterations: 10 } }, output)
  const bytes = output.results.get(filename)
  if (!bytes) throw new IoError(`${packageName} wrote no ${filename}`)
  return bytes
}

async function load(format: SplatFormat): Promise<SplatTransform> {
  // A name that is not a literal keeps compilers from asking for a package that may not be there.
  const name: string = packageName
  try {
    const found: SplatTransform = await import(name)
    return found
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)
    throw new SplatTransformMissingError(
      `${format} needs ${packageName}, which cannot be loaded (${reason}); install it: npm i ${packageName}@2.7 playcanvas`,
      { cause },
    )
  }
}
