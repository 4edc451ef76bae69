import type { View } from '@clipgstream/camera'
import { type Dataset, type DatasetOptions, type ImageStore, readPointCloud } from '@clipgstream/io'
import type { Config } from './config.js'
import type { TrainingData } from './data.js'
import { sha256 } from './stream/clip-files.js'

/** How a dataset must be opened for this configuration. */
export function datasetOptions({ clips, sampling }: Pick<Config, 'clips' | 'sampling'>): DatasetOptions {
  return {
    clipSize: clips.size,
    downsample: sampling.downsample,
    flooredFocal: sampling.focal === 'floored',
    hold: sampling.hold,
    ...(sampling.testCameras && { testCameras: sampling.testCameras }),
  }
}

/** A dataset in the clip-stream layout as training data; open it with {@link datasetOptions}. */
export async function trainingData(
  dataset: Dataset,
  images: ImageStore,
  { sampling }: Pick<Config, 'sampling'>,
): Promise<TrainingData> {
  const cameras = dataset.cameras.map(({ name, view, test }) => ({
    name,
    test,
    view: sampling.principalPoint === 'centred' ? centred(view) : view,
  }))
  return {
    cameras,
    frames: dataset.frames.length,
    clips: dataset.clips.map(({ index, start, end }) => ({ index, start, end })),
    fingerprint: await fingerprint(dataset, cameras),
    has: (camera, frame) => dataset.imagePath(camera, frame) !== null,
    image: async (camera, frame) => (await images.get(camera, frame)).data,
    prefetch(views) {
      // A failure is reported when the image is asked for.
      for (const { camera, frame } of views) images.get(camera, frame).catch(() => {})
    },
    async cloud(clip) {
      const path = dataset.clips.find(({ index }) => index === clip)?.cloud
      return path ? readPointCloud(await dataset.vfs.read(path), path).positions : null
    },
  }
}

function centred(view: View): View {
  return { ...view, cx: view.width / 2, cy: view.height / 2 }
}

/**
 * Of cameras, split, and names and sizes of the first frame's images: what every clip depends on. Frames may be added to a
 * sequence later, and clouds matter only until their clip is begun.
 */
async function fingerprint({ vfs, imagePath }: Dataset, cameras: TrainingData['cameras']): Promise<string> {
  const sizeOf = async (path: string | null) => (path === null ? null : [path, await vfs.size(path)])
  const images = await Promise.all(cameras.map((_, camera) => sizeOf(imagePath(camera, 0))))
  return sha256(new TextEncoder().encode(JSON.stringify({ cameras, images })))
}
