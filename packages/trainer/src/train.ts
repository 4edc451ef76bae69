import { sceneExtent } from '@clipgstream/camera'
import type { Device } from '@clipgstream/tensor'
import type { Clip } from './clips.js'
import type { Config } from './config.js'
import type { TrainingData } from './data.js'
import { ClipStreamError, TrainingDataError } from './errors.js'
import type { DoneEvent, StartEvent, TrainEvent } from './events.js'
import { createStepGraphs } from './graphs.js'
import { type Inheritance, kindOf } from './initial.js'
import { createTrainingOperators } from './operators.js'
import { beginRun, checkResumable, type RunHeader } from './run.js'
import { readClip, readReference } from './stream/clip-files.js'
import { type ClipStreamManifest, checkpointPath } from './stream/format.js'
import { readRecord, refreshManifest } from './stream/manifest.js'
import type { RunFolder } from './stream/run-folder.js'
import { imageBudget, Targets } from './targets.js'
import { trainClip } from './train-clip.js'
import type { Watch } from './watch.js'

export interface TrainOptions {
  data: TrainingData
  device: Device
  /** Where the clip stream is written and, with `resume`, found. */
  run: RunFolder
  config: Config
  /** Indices of the clips to train; all when left out. A source clip needs the reference clip, 0, in the run or before it. */
  clips?: readonly number[]
  /** Skip clips that the run has and go on from checkpoints. Without it, either is an error. */
  resume?: boolean
  /** Aborting stops after the running step and leaves a checkpoint. */
  signal?: AbortSignal
  /** Looks at the model between steps, and may pause them. */
  watch?: Watch
}

/**
 * Trains a clip stream, clip by clip, and says what happens. The run folder is valid at any moment; an error, an abort or
 * a kill loses at most the steps since the last checkpoint.
 *
 * Errors: RunMismatchError for a run of other data or settings, NonFiniteError when training diverged, TrainingDataError,
 * ClipStreamError for damaged files.
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainEvent, void> {
  const { data, device, run, config, signal } = options
  const started = performance.now()
  const { wanted, header, extent, start } = await planTraining(options)
  yield { ...start, device: device.label }
  const operators = await createTrainingOperators(device, config)
  const budget = await imageBudget(device, config.execution.imageBytes)
  using targets = new Targets(device, data, { budget, inUse: config.sampling.viewsPerStep })
  using graphs = await createStepGraphs(operators, config)
  let reference: Inheritance | null = null
  for (const clip of wanted) {
    if (await readRecord(run, clip.index)) {
      await run.remove(checkpointPath(clip.index))
      yield { type: 'clip-skip', clip: clip.index }
      continue
    }
    if (kindOf(clip.index, config) === 'source') reference ??= await loadReference(run, header)
    const outcome = yield* trainClip({
      operators,
      targets,
      data,
      run,
      config,
      header,
      clip,
      reference,
      field: await warmStart(run, header, config, clip, reference),
      graphs,
      extent,
      signal,
      watch: options.watch,
    })
    if (outcome === 'aborted') return
    targets.clear()
    // Clips differ in size: what was kept for one is of little use to the next.
    device.trim?.()
  }
  yield doneEvent(await refreshManifest(run, header), started)
}

export interface TrainingPlan {
  /** In the order of training; clips that the run has are among them. */
  wanted: Clip[]
  header: RunHeader
  extent: number
  start: Omit<StartEvent, 'device'>
}

/** Checks data, settings and what the run has already, and begins the run, before anything is trained. */
export async function planTraining(
  options: Pick<TrainOptions, 'data' | 'run' | 'config' | 'clips' | 'resume'>,
): Promise<TrainingPlan> {
  const { data, run, config, resume = false } = options
  checkClips(data, config)
  const wanted = chooseClips(data.clips, options.clips)
  const trainViews = data.cameras.filter(({ test }) => !test).map(({ view }) => view)
  if (trainViews.length === 0)
    throw new TrainingDataError('there is no training camera', 'Name fewer in sampling.testCameras')
  const extent = sceneExtent(trainViews).radius
  const header = await beginRun(run, config, data, extent)
  for (const clip of wanted) await checkResumable(run, config, data, clip.index, resume)
  const start: TrainingPlan['start'] = {
    type: 'start',
    config,
    frames: data.frames,
    cameras: { train: trainViews.length, test: data.cameras.length - trainViews.length },
    clips: wanted.map(({ index }) => index),
  }
  return { wanted, header, extent, start }
}

/** `started` as performance.now() had it. */
export function doneEvent({ clips }: ClipStreamManifest, started: number): DoneEvent {
  return {
    type: 'done',
    seconds: (performance.now() - started) / 1000,
    clips: clips.map(({ index }) => index),
    bytes: clips.flatMap(({ files }) => files).reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

function checkClips({ clips }: TrainingData, { clips: { size } }: Config): void {
  const [first] = clips
  if (!first) throw new TrainingDataError('there are no frames', 'Give a sequence with at least one')
  const longest = clips.reduce((length, { start, end }) => Math.max(length, end - start), 0)
  const cut = clips.find(({ index, start }) => start !== index * size)
  if (cut || longest > size) {
    throw new TrainingDataError(
      `the data are cut into clips of ${longest} frames, the configuration says ${size}`,
      'Set clips.size to the size that the clouds were made for',
    )
  }
}

/** The reference clip comes first. */
function chooseClips(all: readonly Clip[], indices: readonly number[] | undefined): Clip[] {
  if (!indices) return [...all]
  const unknown = indices.find((wanted) => !all.some(({ index }) => index === wanted))
  if (unknown !== undefined)
    throw new TrainingDataError(
      `there is no clip ${unknown}`,
      `The data have clips ${all.map(({ index }) => index).join(', ')}`,
    )
  return all.filter(({ index }) => indices.includes(index))
}

async function loadReference(run: RunFolder, header: Parameters<typeof readReference>[1]): Promise<Inheritance> {
  const entry = await readRecord(run, 0)
  if (!entry) throw new ClipStreamError('reference', 'has not been trained yet; train clip 0 first')
  return readReference(run, header, entry)
}

async function warmStart(
  run: RunFolder,
  header: Parameters<typeof readClip>[1],
  { field, grid }: Config,
  clip: Clip,
  reference: Inheritance | null,
) {
  if (field.warmStart === 'none' || clip.index === 0 || !reference) return null
  const from = field.warmStart === 'reference' ? 0 : clip.index - 1
  const entry = await readRecord(run, from)
  if (!entry)
    throw new ClipStreamError(
      `clips/${from}`,
      `has not been trained yet; field.warmStart needs it for clip ${clip.index}`,
    )
  if (JSON.stringify(entry.grid) !== JSON.stringify(grid))
    throw new ClipStreamError(`clips/${from}`, 'has a field of another shape; field.warmStart needs the same grid')
  return (await readClip(run, header, entry, reference)).field
}
