import { readFile, stat } from 'node:fs/promises'
import type { Device } from '@clipgstream/tensor'
import type { MissingNet } from '../evaluation.js'
import { createLpips, type Lpips, type LpipsRange, lpipsName } from '../lpips/lpips.js'
import { type LpipsNet, lpipsNets } from '../lpips/nets.js'
import { type LpipsWeights, LpipsWeightsError, readLpipsWeights } from '../lpips/weights.js'
import { findLpipsWeights, isVerified, lpipsRemedy } from './lpips-files.js'

export interface LoadLpipsOptions {
  /** Nets to load; by default those whose weights are found. */
  nets?: readonly LpipsNet[]
  /** A safetensors file of one net, or a folder of `<net>.safetensors`; by default the cache folder. */
  weights?: string
  /** Default `calibrated`. */
  range?: LpipsRange
}

/**
 * The perceptual metrics for an evaluation. A net whose weights are not found becomes a {@link MissingNet} that says how
 * to get them; without any net asked for or found, that is AlexNet. A weights file that is given but missing or wrong is
 * an error. The caller disposes of what was loaded.
 */
export async function loadLpips(device: Device, options: LoadLpipsOptions = {}): Promise<(Lpips | MissingNet)[]> {
  const { nets, weights: path, range = 'calibrated' } = options
  const missing = (net: LpipsNet): MissingNet => ({
    name: lpipsName(net, range),
    missing: `no weights: ${lpipsRemedy(net)}`,
  })
  const create = async (weights: LpipsWeights): Promise<Lpips> => {
    const lpips = await createLpips(device, weights, { range })
    if (isVerified(weights) !== false) return lpips
    return { ...lpips, remark: 'the weights differ from those that this version was checked with' }
  }

  if (path !== undefined && (await isFile(path))) {
    const weights = readLpipsWeights(new Uint8Array(await readFile(path)), path)
    const wanted = nets ?? [weights.net]
    if (!wanted.includes(weights.net)) {
      throw new LpipsWeightsError(path, `holds the net ${weights.net}; asked for ${wanted.join(', ')}`)
    }
    return Promise.all(wanted.map((net) => (net === weights.net ? create(weights) : missing(net))))
  }

  const result: (Lpips | MissingNet)[] = []
  for (const net of nets ?? lpipsNets) {
    const file = await findLpipsWeights(net, path)
    if (file) {
      const weights = readLpipsWeights(file.bytes, file.path)
      if (weights.net !== net) throw new LpipsWeightsError(file.path, `holds the net ${weights.net}, not ${net}`)
      result.push(await create(weights))
    } else if (nets) result.push(missing(net))
  }
  return result.length ? result : [missing('alex')]
}

async function isFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null)
  if (!found) throw new LpipsWeightsError(path, 'no such file or folder')
  return found.isFile()
}
