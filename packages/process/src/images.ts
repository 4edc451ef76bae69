import { link, mkdir, readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { dirname, extname, join } from 'node:path'
import {
  type Camera,
  isUndistorted,
  remapImage,
  scaleCamera,
  scaleView,
  undistortionMap,
  type View,
} from '@clipgstream/camera'
import { captureView, probeImageSize, type RgbImage, readImageSize, type Size } from '@clipgstream/io'
import { createNodeDecoder, encodePng, nodeFolder } from '@clipgstream/io/node'
import { codeOf, ProcessError } from './errors.js'
import { encodeImage, frameName, imageFormat, isWhole, type Pictures } from './pictures.js'
import type { Source } from './source.js'
import { eachOf } from './steps/pool.js'
import { guardDisk, runStep, type Workspace } from './steps/step.js'
import type { FramePlan } from './timing/plan.js'
import type { Calibrated, ProcessOptions } from './types.js'

/** A camera of the dataset. */
export interface DatasetView {
  readonly name: string
  readonly view: View
}

interface Job {
  readonly name: string
  /** Pixels of the recorded images. */
  readonly size: Size
  /** Of the recorded images after `downscale`. */
  readonly lens: Camera
  /** As it is written. */
  readonly view: View
  readonly extension: string
}

/**
 * Step 3: undistorted images and masks, one a camera and frame. The pinhole cameras are those that COLMAP's undistorter
 * chooses. Images are decoded at the size that `downscale` asks for and sampled
 * bilinearly. Images that need no change are not encoded again: frames of videos are linked, the
 * source's own images copied.
 */
export async function undistortImages(
  workspace: Workspace,
  source: Source,
  previous: readonly string[],
  plan: FramePlan,
  pictures: Pictures,
  cameras: readonly Calibrated[],
  options: ProcessOptions,
): Promise<{ id: string; views: readonly DatasetView[]; images: ReadonlyMap<string, string>; masks: number }> {
  const jobs = await planImages(source, plan, pictures, cameras, options)
  const { background, masks: meaning } = source.capture
  const tasks = jobs.flatMap((job) =>
    Array.from({ length: plan.count }, (_, frame) => frame).flatMap((frame) => {
      const path = pictures.image(job.name, frame)
      if (path === null) return []
      const image = `${frameName(frame)}/images/${job.name}.${job.extension}`
      const maskFrom = meaning?.meaning === 'moving' ? pictures.mask(job.name, frame) : null
      const mask = maskFrom === null ? null : { from: maskFrom, to: `${frameName(frame)}/masks/${job.name}.png` }
      return [{ job, frame, from: path, image, mask }]
    }),
  )
  if (meaning?.meaning === 'valid')
    workspace.report({
      type: 'note',
      message: 'masks of what may be learned from are left out; a dataset has masks of what moves',
    })
  const { format = 'jpg', quality = 95, blankPixels = 0, downscale = 1 } = options
  const id = await runStep(workspace, {
    name: 'images',
    inputs: { previous, cameras, format, quality, blankPixels, downscale, background, meaning, tasks: tasks.length },
    outputs: tasks.flatMap(({ image, mask }) => (mask ? [image, mask.to] : [image])),
    clear: () => clearFrames(workspace.folder),
    async work(missing) {
      const wanted = new Set(missing)
      const todo = tasks.filter(({ image, mask }) => wanted.has(image) || (mask && wanted.has(mask.to)))
      let done = tasks.length - todo.length
      const progress = (note: string) =>
        workspace.report({ type: 'progress', step: 'images', done, total: tasks.length, note })
      progress('')
      const decoder = createNodeDecoder(background ? { background } : {})
      for (const job of jobs) {
        const own = todo.filter((task) => task.job === job)
        if (own.length === 0) continue
        const map = isUndistorted(job.lens) ? null : undistortionMap(job.lens, job.view)
        await eachOf(
          own,
          3,
          async ({ from, image, mask, frame }) => {
            if (wanted.has(image)) await makeImage(job, from, image, map)
            if (mask && wanted.has(mask.to)) await makeMask(job, mask.from, mask.to, map)
            done++
            progress(`${job.name} ${frame}`)
          },
          workspace.signal,
        )
      }

      async function makeImage(job: Job, from: string, to: string, map: Float32Array | null): Promise<void> {
        const bytes = new Uint8Array(await readFile(from))
        const same = map === null && sameSize(job.lens, job.size) && !background
        if (same && extname(from).toLowerCase() === `.${job.extension}`) {
          const ours = source.recordings.get(job.name)?.kind === 'video'
          if (!ours) checkImage(job, bytes, from)
          const target = join(workspace.folder, to)
          const linked = ours && (await guardDisk(to, workspace.folder, () => linkFile(from, target)))
          if (!linked) await workspace.write(to, bytes)
          return
        }
        await workspace.write(to, await encodeImage(await straighten(job, bytes, from, map), options))
      }

      async function makeMask(job: Job, from: string, to: string, map: Float32Array | null): Promise<void> {
        const grey = await straighten(job, new Uint8Array(await readFile(from)), from, map)
        const threshold = meaning?.threshold ?? 128
        const data = grey.data.map((value) => (value >= threshold ? 255 : 0))
        await workspace.write(to, await encodePng({ ...grey, data }))
      }

      async function straighten(
        job: Job,
        bytes: Uint8Array,
        file: string,
        map: Float32Array | null,
      ): Promise<RgbImage> {
        const { lens, size, view } = job
        checkSize(job, probeImageSize(bytes.subarray(0, 65536)), file)
        const { width, height } = lens
        const image = await decoder.decode(bytes, file, sameSize(lens, size) ? undefined : { width, height })
        return map ? remapImage({ ...image, channels: 3 }, map, view) : image
      }
    },
  })
  const images = new Map(tasks.map(({ job, frame, image }) => [`${job.name} ${frame}`, image]))
  return {
    id,
    views: jobs.map(({ name, view }) => ({ name, view })),
    images,
    masks: tasks.filter(({ mask }) => mask).length,
  }
}

/** What is copied as it is, is not decoded: that it can be is seen from its beginning and its end. */
function checkImage(job: Job, bytes: Uint8Array, file: string): void {
  const found = probeImageSize(bytes.subarray(0, 65536))
  if (!found || !isWhole(bytes))
    throw new ProcessError(
      `${file} ${found ? 'is cut off' : 'is not an image that can be read'}; copy it again, or take other frames (--frames)`,
    )
  checkSize(job, found, file)
}

function checkSize({ name, size }: Job, found: Size | null, file: string): void {
  if (found && !sameSize(found, size))
    throw new ProcessError(
      `${file} has ${found.width}x${found.height} pixels, the first image of ${name} has ${size.width}x${size.height}; one camera has one size`,
    )
}

function sameSize(a: Size, b: Size): boolean {
  return a.width === b.width && a.height === b.height
}

async function planImages(
  source: Source,
  plan: FramePlan,
  pictures: Pictures,
  cameras: readonly Calibrated[],
  options: ProcessOptions,
): Promise<Job[]> {
  const { blankPixels = 0, downscale = 1 } = options
  const jobs: Job[] = []
  for (const { name, camera, worldToCamera } of cameras) {
    const recording = source.recordings.get(name)
    const first = Array.from({ length: plan.count }, (_, i) => pictures.image(name, i)).find((path) => path !== null)
    if (!recording || first === undefined || first === null) continue
    const size =
      recording.kind === 'video' ? recording.info : await readImageSize(nodeFolder(dirname(first)), baseOf(first))
    if (!size) throw new ProcessError(`${first} is not an image`)
    const recorded = fit(name, camera, size)
    const full = captureView({ camera: recorded, worldToCamera }, { blankPixels })
    const small = (length: number) => Math.ceil(length / downscale)
    const lens = scaleCamera(recorded, small(size.width), small(size.height))
    const view = scaleView(full, small(full.width), small(full.height))
    const straight = isUndistorted(lens) && downscale === 1 && !source.capture.background
    const own = extname(first).slice(1).toLowerCase()
    const extension = straight && (own === 'jpg' || own === 'png') ? own : imageFormat(options)
    jobs.push({ name, size: { width: size.width, height: size.height }, lens, view, extension })
  }
  return jobs
}

function baseOf(path: string): string {
  return path.slice(dirname(path).length + 1)
}

/** The lens at the size of the recording, which must have the shape of the calibration. */
function fit(name: string, camera: Camera, { width, height }: Size): Camera {
  const ratio = width / camera.width
  if (Math.abs(camera.height * ratio - height) > 1 + ratio)
    throw new ProcessError(
      `the images of ${name} have ${width}x${height} pixels, its calibration is for ${camera.width}x${camera.height}, which has another shape: were they cropped or turned?`,
    )
  return scaleCamera(camera, width, height)
}

/** A second name for a file that stays as it is; false where the file system has none to give. */
async function linkFile(from: string, to: string): Promise<boolean> {
  try {
    await mkdir(dirname(to), { recursive: true })
    await link(from, to)
    return true
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST') {
      await rm(to)
      return linkFile(from, to)
    }
    if (code === 'EXDEV' || code === 'EPERM' || code === 'ENOTSUP' || code === 'EMLINK' || code === 'ENOSYS')
      return false
    throw error
  }
}

/** Images and masks that an earlier run made; what others put beside them, such as `stereo/fused.ply`, stays. */
async function clearFrames(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/^frame\d{6,}$/.test(name)) continue
    for (const made of ['images', 'masks']) await rm(join(folder, name, made), { recursive: true, force: true })
    await rmdir(join(folder, name)).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'ENOTDIR') throw error
    })
  }
}
