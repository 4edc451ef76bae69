import type { DatasetReport } from '@clipgstream/io'
import { type Device, selectDevice } from '@clipgstream/tensor'
import { checkCameras, solveCameras } from './cameras.js'
import { reach, type Timing } from './clouds/moments.js'
import { cloudFrames, makePoints } from './clouds/points.js'
import { checkClouds, cloudKind } from './clouds/sources.js'
import { makeClouds } from './clouds/step.js'
import { finishDataset } from './dataset.js'
import { ProcessError } from './errors.js'
import { checkDisk, estimate } from './estimate.js'
import { extractFrames } from './frames.js'
import { undistortImages } from './images.js'
import { checkNumbers } from './options.js'
import { type Pictures, picturesOf } from './pictures.js'
import { checkFolders, fingerprint, openSource, type Source, soundOffsets } from './source.js'
import { openWorkspace, type Workspace } from './steps/step.js'
import { findMisfits } from './timing/align.js'
import { motionEnergies } from './timing/motion.js'
import { type FramePlan, planFrames } from './timing/plan.js'
import type { ProcessOptions, Report } from './types.js'

export interface ProcessHooks {
  /** Where the device comes from; default: `selectDevice` with `device` and `threads`. */
  readonly openDevice?: () => Promise<Device>
  /** Instead of writing below the dataset's folder atomically; for tests. */
  readonly write?: Workspace['write']
}

/**
 * Makes a clip-stream dataset out of a folder of recordings: frames, cameras, undistorted images, clouds, the dataset's own
 * files. Every step keeps a record of its inputs; run again with the same inputs, what is complete is passed over and what is
 * not is gone on with, image by image. Files get their names when they are complete.
 *
 * Throws a {@link ProcessError} (or another `IoError`) with what is wrong and how to mend it; nothing that is complete is lost.
 */
export async function processRecordings(
  source: string,
  dataset: string,
  given: ProcessOptions = {},
  report: Report = () => {},
  hooks: ProcessHooks = {},
): Promise<DatasetReport> {
  checkFolders(source, dataset)
  checkNumbers(given)
  const opened = await openSource(source, given, report)
  const workspace = {
    ...(await openWorkspace(dataset, report, given.force, given.signal)),
    ...(hooks.write && { write: hooks.write }),
  }
  try {
    return await makeDataset(opened, workspace, given, report, hooks)
  } finally {
    await workspace.release()
  }
}

async function makeDataset(
  opened: Source,
  workspace: Workspace,
  given: ProcessOptions,
  report: Report,
  hooks: ProcessHooks,
): Promise<DatasetReport> {
  const offsets = { ...(given.alignAudio ? await soundOffsets(opened, report) : {}), ...given.offsets }
  const { moving } = opened.capture
  const plan = planFrames(opened.timelines, { ...given, offsets, ...(moving && { lengths: 'gaps' }) })
  const options = moving ? ofShots(opened, plan, given, report) : given
  const names = opened.capture.cameras.map(({ name }) => name)
  report({ type: 'source', kind: opened.capture.kind, cameras: names, frames: plan.count })

  await checkCameras(workspace, opened, options)
  const testCameras = new Set(opened.capture.cameras.filter(({ test }) => test).map(({ name }) => name))
  const first = [...plan.frames.values()][0]
  const common = {
    ...{ workspace, source: opened, options, testCameras },
    sourceFrame: (frame: number) => first?.[frame] ?? frame,
  }
  const frames = cloudFrames(plan.count, options)
  await checkClouds(common, names, frames)

  const files = await fingerprint(opened)
  const kind = await cloudKind(common, names, frames)
  const expected = await estimate(workspace, opened, files, plan, kind, options)
  report({ type: 'estimate', ...expected })
  checkDisk(workspace.folder, expected, options.ignoreDisk)

  const pictures = picturesOf(opened, plan, workspace.folder, options)
  const framesId = await extractFrames(workspace, opened, files, plan, options)
  if (options.checkAlignment) await checkAlignment(pictures, plan, offsets, options, report)
  const solved = await solveCameras(workspace, opened, framesId, plan, pictures, options)
  const undistorted = await undistortImages(
    workspace,
    opened,
    [framesId, solved.id],
    plan,
    pictures,
    solved.cameras,
    options,
  )
  if (undistorted.views.every(({ name }) => testCameras.has(name)))
    throw new ProcessError('every camera that is left is a test camera; choose others with --test-cameras')
  let device: Device | null = null
  const { device: name = 'auto', threads } = options
  try {
    const context = {
      ...common,
      ...{ views: undistorted.views, images: undistorted.images },
      device: async () => {
        device ??= await (hooks.openDevice?.() ?? selectDevice(name, threads === undefined ? {} : { threads }))
        return device
      },
    }
    const points = await makePoints(context, [undistorted.id, solved.id], plan.count)
    reportTimings(points.timings, offsets, options, report)
    const cloudsId = await makeClouds(context, points, plan.count)
    const previous = [undistorted.id, solved.id, cloudsId]
    const { views, images } = undistorted
    return await finishDataset(workspace, previous, plan, { views, images, testCameras, moving }, options)
  } finally {
    closeDevice(device)
  }
}

/**
 * Where cameras move, every image is a camera with one frame. One clip then holds all of them, since a few moments show too
 * little of the scene; and points come from the source or from chance, since stereo needs several images of a moment.
 */
function ofShots({ capture }: Source, plan: FramePlan, options: ProcessOptions, report: Report): ProcessOptions {
  const { clipSize = plan.count, clouds: wanted = 'auto' } = options
  const rows = [...plan.frames.values()]
  const few = Array.from({ length: plan.count }, (_, frame) => rows.filter((row) => row[frame] !== null).length < 3)
  const found = capture.clouds.length > 0 ? 'given' : 'random'
  if ((wanted === 'stereo' || wanted === 'sparse') && few.includes(true))
    throw new ProcessError(
      `--clouds ${wanted} needs three images of every moment, and frame ${few.indexOf(true)} has fewer, since the cameras move; choose ${capture.clouds.length > 0 ? 'given or ' : ''}random`,
    )
  const clouds = wanted === 'auto' && few.includes(true) ? found : wanted
  report({
    type: 'note',
    message: `the cameras move: each of ${rows.length} images is a camera of its own, clips have ${clipSize} frames (--clip-size), points are ${clouds} (--clouds)`,
  })
  const times = [...new Set(rows.flatMap((row) => row.filter((own) => own !== null)))].sort((a, b) => a - b)
  const steps = times.slice(1).map((own, i) => (capture.times?.[own] ?? 0) - (capture.times?.[times[i] ?? 0] ?? 0))
  if (Math.max(...steps) > 1.5 * Math.min(...steps))
    report({ type: 'warning', message: 'the time between frames varies; frames are counted, not timed' })
  if (options.checkAlignment)
    report({ type: 'note', message: 'cameras that move share no background: their alignment is not looked at' })
  return { ...options, lengths: 'gaps', clipSize, clouds, checkAlignment: false }
}

function closeDevice(device: Device | null): void {
  device?.[Symbol.dispose]()
}

async function checkAlignment(
  pictures: Pictures,
  plan: FramePlan,
  offsets: Readonly<Record<string, number>>,
  options: ProcessOptions,
  report: Report,
): Promise<void> {
  const progress = (camera: string) => report({ type: 'output', step: 'frames', text: `motion of ${camera}` })
  const energies = await motionEnergies(pictures, plan, progress, options.signal)
  const misfits = findMisfits(energies)
  for (const { camera, frames, score } of misfits) {
    const said = `${camera} moves ${framesLater(frames)} than the other cameras (correlation ${score.toFixed(2)})`
    report({ type: 'warning', message: `${said}; if that is so, ${remedy(camera, frames, offsets, options)}` })
  }
  if (misfits.length === 0)
    report({ type: 'note', message: 'the motion of all cameras is in step, or too little to tell' })
}

/** Names the cameras whose pictures fit the points of another moment better, which those of most cameras have made. */
function reportTimings(
  timings: readonly Timing[],
  offsets: Readonly<Record<string, number>>,
  options: ProcessOptions,
  report: Report,
): void {
  for (const { camera, lag, differences } of timings) {
    if (!lag) continue
    const [there = 0, here = 0] = [differences[reach + lag], differences[reach]]
    report({
      type: 'warning',
      message:
        `${camera} shows what happens ${framesLater(lag)} than the other cameras: there its pictures differ from the points by ` +
        `${there.toFixed(1)} of 255, in step by ${here.toFixed(1)}; ${remedy(camera, lag, offsets, options)}`,
    })
  }
  const inStep = timings.filter(({ lag }) => lag === 0).length
  const told = timings.filter(({ lag }) => lag !== null).length
  if (told === 0 || inStep < told) return
  const others = inStep < timings.length ? `; of ${timings.length - inStep} it cannot be told` : ''
  report({ type: 'note', message: `${inStep} cameras are in step with the points of the frames${others}` })
}

function framesLater(frames: number): string {
  return `${Math.abs(frames)} ${Math.abs(frames) === 1 ? 'frame' : 'frames'} ${frames > 0 ? 'later' : 'earlier'}`
}

function remedy(
  camera: string,
  frames: number,
  offsets: Readonly<Record<string, number>>,
  { every = 1, fps }: Pick<ProcessOptions, 'every' | 'fps'>,
): string {
  // Offsets count frames of the recordings, which are not those of a resampled dataset.
  const fitting = (offsets[camera] ?? 0) + frames * every
  return fps === undefined ? `--offsets ${camera}=${fitting} mends it` : 'change its offset'
}
