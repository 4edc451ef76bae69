import {
  blobSource,
  browserFolder,
  createBrowserDecoder,
  createImageStore,
  fetchFolder,
  openDataset,
  subfolder,
  type Vfs,
  zipFolder,
} from '@clipgstream/io'
import { type Config, datasetOptions, type TrainingData, trainingData } from '@clipgstream/trainer'
import type { Source } from '../messages.js'

/** Opens a dataset for training. With `points`, clouds are thinned to at most so many points. */
export async function openSource(
  source: Source,
  config: Config,
  points: number | null,
): Promise<{ name: string; data: TrainingData }> {
  const dataset = await openDataset(await inner(await folderOf(source)), datasetOptions(config))
  const data = await trainingData(dataset, createImageStore(dataset, createBrowserDecoder()), config)
  if (points === null) return { name: dataset.name, data }
  const cloud = async (clip: number) => {
    const whole = await data.cloud(clip)
    return whole && thinned(whole, points)
  }
  return { name: dataset.name, data: { ...data, cloud } }
}

function folderOf(source: Source): Promise<Vfs> {
  switch (source.kind) {
    case 'sample':
      return fetchFolder(source.url)
    case 'folder':
      return browserFolder(source.handle)
    case 'zip':
      return zipFolder(blobSource(source.file, source.file.name))
  }
}

/** Archives often hold one folder with everything in it. */
async function inner(vfs: Vfs): Promise<Vfs> {
  const [only, ...others] = await vfs.list('')
  return only?.kind === 'folder' && others.length === 0 ? subfolder(vfs, only.name) : vfs
}

function thinned(cloud: Float32Array, most: number): Float32Array {
  const count = cloud.length / 3
  if (count <= most) return cloud
  const result = new Float32Array(3 * most)
  for (let i = 0; i < most; i++) {
    const from = 3 * Math.floor((i * count) / most)
    result.set(cloud.subarray(from, from + 3), 3 * i)
  }
  return result
}
