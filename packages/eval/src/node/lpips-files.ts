import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { readSafetensors, readTorchState, toFloat32 } from '@clipgstream/io'
import { writeAtomic } from '@clipgstream/io/node'
import { expectedTensors, type LpipsNet } from '../lpips/nets.js'
import {
  checkLpipsWeights,
  type LpipsWeights,
  LpipsWeightsError,
  type WeightTensor,
  writeLpipsWeights,
} from '../lpips/weights.js'

/** Where the parameters of a net come from. */
export interface LpipsSource {
  /** torchvision's backbone; the digits in the file's name are the first of its SHA-256. */
  readonly backbone: string
  /** The heads of LPIPS v0.1. */
  readonly heads: string
  /** SHA-256 of the converted file, for the nets that this version was checked with. */
  readonly sha256?: string
}

const models = 'https://download.pytorch.org/models'
const heads = 'https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1'

export const lpipsSources: Readonly<Record<LpipsNet, LpipsSource>> = {
  alex: {
    backbone: `${models}/alexnet-owt-7be5be79.pth`,
    heads: `${heads}/alex.pth`,
    sha256: '1d90a4d90cb95b2ea959d3ab0e06fc420a53318b6a4d07fc117f4996a7849058',
  },
  squeeze: {
    backbone: `${models}/squeezenet1_1-b8a52dc0.pth`,
    heads: `${heads}/squeeze.pth`,
    sha256: '2f50046fe0ac1896cb2aa4c0f771461e95ff95de8dcb3abfdface70ff2196620',
  },
  vgg: { backbone: `${models}/vgg16-397923af.pth`, heads: `${heads}/vgg.pth` },
}

/** The folder where weights are looked for: `$XDG_CACHE_HOME/clipgstream/lpips`, by default in `~/.cache`. */
export function lpipsCacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'clipgstream', 'lpips')
}

/** What people must do to get the weights of a net. */
export function lpipsRemedy(net: LpipsNet, folder = lpipsCacheFolder()): string {
  const { backbone, heads } = lpipsSources[net]
  const command = `clipgstream lpips-weights ${net} ${basename(backbone)} ${basename(heads)}`
  return (
    `download ${backbone} and ${heads}, then run \`${command}\`, which writes ${join(folder, `${net}.safetensors`)}; ` +
    'or pass --lpips-weights FILE'
  )
}

/** The file `<net>.safetensors` of a folder, by default the cache; null when it is not there. */
export async function findLpipsWeights(
  net: LpipsNet,
  folder = lpipsCacheFolder(),
): Promise<{ path: string; bytes: Uint8Array } | null> {
  const path = join(folder, `${net}.safetensors`)
  try {
    return { path, bytes: new Uint8Array(await readFile(path)) }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

/**
 * Reads the parameters of a net out of files that others wrote: PyTorch state dictionaries (`.pth`, as
 * published: backbone and heads are two files), safetensors with the same names, or raw little-endian floats (`.json`
 * index beside `.f32.bin`). Tensors that LPIPS does not need are left out.
 */
export async function convertLpipsWeights(net: LpipsNet, files: readonly string[]): Promise<LpipsWeights> {
  const needed = expectedTensors(net)
  const tensors = new Map<string, WeightTensor>()
  for (const file of files) {
    for (const [name, { shape, data }] of await readTensors(file, needed)) {
      if (tensors.has(name)) throw new LpipsWeightsError(file, `${name} was already in another file`)
      tensors.set(name, { shape, data })
    }
  }
  return checkLpipsWeights(net, tensors, files.map((file) => basename(file)).join(' and '))
}

/** Converts and writes to the cache, or to `folder`; returns the path of the new file. */
export async function installLpipsWeights(net: LpipsNet, files: readonly string[], folder = lpipsCacheFolder()) {
  const path = join(folder, `${net}.safetensors`)
  await writeAtomic(path, writeLpipsWeights(await convertLpipsWeights(net, files)))
  return path
}

/** Whether these are the weights that this version was checked with; null for a net that was not. */
export function isVerified(weights: LpipsWeights): boolean | null {
  const { sha256 } = lpipsSources[weights.net]
  return sha256 ? createHash('sha256').update(writeLpipsWeights(weights)).digest('hex') === sha256 : null
}

async function readTensors(file: string, needed: ReadonlyMap<string, unknown>): Promise<Map<string, WeightTensor>> {
  if (file.endsWith('.json')) return readRaw(file)
  const bytes = new Uint8Array(await readFile(file))
  const arrays = file.endsWith('.safetensors')
    ? readSafetensors(bytes, file).tensors
    : await readTorchState(bytes, file)
  const result = new Map<string, WeightTensor>()
  for (const [name, array] of arrays) {
    if (needed.has(name)) result.set(name, { shape: array.shape, data: toFloat32(array) })
  }
  return result
}

async function readRaw(file: string): Promise<Map<string, WeightTensor>> {
  const index: unknown = JSON.parse(await readFile(file, 'utf8'))
  const bytes = new Uint8Array(await readFile(file.replace(/\.json$/, '.f32.bin')))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const result = new Map<string, WeightTensor>()
  for (const entry of entriesOf(index, file)) {
    const size = entry.shape.reduce((product, extent) => product * extent, 1)
    if (entry.offset + 4 * size > bytes.length) {
      throw new LpipsWeightsError(file, `${entry.name} reaches beyond the ${bytes.length} bytes of the data`)
    }
    const data = Float32Array.from({ length: size }, (_, i) => view.getFloat32(entry.offset + 4 * i, true))
    result.set(entry.name, { shape: entry.shape, data })
  }
  return result
}

function entriesOf(index: unknown, file: string): { name: string; shape: number[]; offset: number }[] {
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
  const isExtent = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
  if (!isObject(index) || !Array.isArray(index['tensors']) || index['dtype'] !== 'float32le') {
    throw new LpipsWeightsError(file, 'the index must have dtype float32le and a list of tensors')
  }
  return index['tensors'].map((entry: unknown, i) => {
    if (!isObject(entry)) throw new LpipsWeightsError(file, `tensor ${i} must be an object`)
    const { name, shape, byte_offset: offset } = entry
    if (typeof name !== 'string' || !isExtent(offset) || !Array.isArray(shape) || !shape.every(isExtent)) {
      throw new LpipsWeightsError(file, `tensor ${i} must have name, shape and byte_offset`)
    }
    return { name, shape, offset }
  })
}
