import { readFile } from 'node:fs/promises'
import { createNodeDecoder } from '@clipgstream/io/node'
import type { Pictures } from '../pictures.js'
import type { FramePlan } from './plan.js'

/** Pixels of the small images that are compared. */
const size = { width: 64, height: 64 }

/** For each camera, the mean absolute change of its picture from each frame to the next; of small images. */
export async function motionEnergies(
  pictures: Pictures,
  plan: FramePlan,
  onProgress: (camera: string) => void,
  signal?: AbortSignal,
): Promise<Map<string, Float32Array>> {
  const decoder = createNodeDecoder()
  const energies = new Map<string, Float32Array>()
  for (const camera of plan.frames.keys()) {
    signal?.throwIfAborted()
    onProgress(camera)
    const energy = new Float32Array(Math.max(0, plan.count - 1))
    let before: Uint8Array | null = null
    for (let frame = 0; frame < plan.count; frame++) {
      const path = pictures.image(camera, frame)
      if (path === null) continue
      const { data } = await decoder.decode(new Uint8Array(await readFile(path)), path, size)
      if (before) {
        let sum = 0
        for (let i = 0; i < data.length; i++) sum += Math.abs(data[i]! - before[i]!)
        energy[frame - 1] = sum / data.length
      }
      before = data
    }
    energies.set(camera, energy)
  }
  return energies
}
