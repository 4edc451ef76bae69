import { type Clip, stepsOf, timeOf } from './clips.js'
import type { Config } from './config.js'
import type { TrainingData } from './data.js'
import { NonFiniteError, TrainingDataError } from './errors.js'
import { evaluateClip } from './evaluate.js'
import type { CheckpointEvent, StepEvent, TrainEvent } from './events.js'
import { type Inheritance, initialState, kindOf } from './initial.js'
import type { Example, Shot } from './inputs.js'
import type { TrainingOperators } from './operators.js'
import { breathe } from './pause.js'
import { Progress } from './progress.js'
import type { RunHeader } from './run.js'
import { createSampler } from './sampler.js'
import { ClipSession } from './session.js'
import type { ClipState } from './state.js'
import type { StepGraphs } from './step-graphs.js'
import { firstNonFinite, parseCheckpoint, restoreState, stateTensors } from './stream/checkpoint.js'
import { writeClip } from './stream/clip-files.js'
import { checkpointPath } from './stream/format.js'
import { refreshManifest } from './stream/manifest.js'
import type { RunFolder } from './stream/run-folder.js'
import type { Targets } from './targets.js'
import { liveClip, type Watch } from './watch.js'

export interface ClipTask {
  operators: TrainingOperators
  targets: Targets
  data: TrainingData
  run: RunFolder
  config: Config
  header: RunHeader
  clip: Clip
  reference: Inheritance | null
  /** What the field starts from; fresh when null. */
  field: ClipState['field'] | null
  /** Repeats captured steps; null where the device cannot, or shall not. */
  graphs: StepGraphs | null
  extent: number
  signal: AbortSignal | undefined
  watch: Watch | undefined
}

/** Trains one clip and puts it into the run. */
export async function* trainClip(task: ClipTask): AsyncGenerator<TrainEvent, 'done' | 'aborted'> {
  const { operators, targets, data, run, config, clip, reference, extent, signal } = task
  const { device } = operators
  const started = performance.now()
  const kind = kindOf(clip.index, config)
  const path = checkpointPath(clip.index)
  const checkpoint = (await run.exists(path)) ? parseCheckpoint(path, await run.read(path)) : null
  const begun = checkpoint
    ? { state: restoreState(config, checkpoint, reference), outliers: 0 }
    : await initialState(config, data, clip.index, reference, task.field)
  const fieldScale = kind === 'source' && config.optimizer.sourceScale === 'one' ? 1 : extent
  const steps = stepsOf(config.optimizer)
  const first = checkpoint?.position.iteration ?? 0
  let lastGood = checkpoint ? first : null
  device.resetPeak()
  using session = new ClipSession(operators, config, fieldScale, begun.state, checkpoint, task.graphs)
  const progress = new Progress(device, clip.index, steps, first)

  yield {
    type: 'clip-start',
    clip: clip.index,
    kind,
    frames: { start: clip.start, end: clip.end },
    anchors: { inherited: session.model.inherited, own: session.model.count - session.model.inherited },
    parameters: session.optimizer.parameters,
    steps,
    resumedAt: first,
  }
  if (begun.outliers > 0) {
    const message = `clip ${clip.index}: ${begun.outliers} points lie far from all others and were left out`
    yield { type: 'warning', message }
  }

  const trainCameras = data.cameras.flatMap(({ test }, index) => (test ? [] : [index]))
  const sampler = createSampler({
    seed: config.sampling.seed,
    clip: clip.index,
    cameras: trainCameras.length,
    frames: clip,
    viewsPerStep: config.sampling.viewsPerStep,
    has: (camera, frame) => data.has?.(trainCameras[camera]!, frame) ?? true,
    repeatLast: config.sampling.repeatLastView,
  })
  if (sampler.epochLength === 0) {
    throw new TrainingDataError(
      `clip ${clip.index}, frames ${clip.start} to ${clip.end - 1}, has no image of a training camera`,
      'Add images, or choose longer clips or other test cameras',
    )
  }
  let requested = first
  const requestAhead = (i: number) => {
    const end = Math.min(steps, i + Math.ceil(targets.ahead / config.sampling.viewsPerStep))
    for (; requested < end; requested++) {
      const { frame, cameras } = sampler.at(requested)
      targets.prefetch(cameras.map((camera) => ({ camera: trainCameras[camera]!, frame })))
    }
  }
  const exampleAt = async (i: number): Promise<Example> => {
    const { frame, cameras } = sampler.at(i)
    const shots: Shot[] = []
    for (const colorRow of cameras) {
      const camera = trainCameras[colorRow]!
      const target = await targets.load(camera, frame)
      shots.push({ view: data.cameras[camera]!.view, colorRow, target })
    }
    return { time: timeOf(frame, clip, config.clips, 'training'), shots }
  }
  // The event of a logged step is made while the next steps run on a GPU.
  let late: Promise<StepEvent> | null = null
  const logLater = (iteration: number) => {
    const event = progress.flush().then((means) => {
      return progress.event(config, session.optimizer, iteration, progress.requireFinite(means, lastGood))
    })
    // A failure is reported where it is waited for.
    event.catch(() => {})
    late = event
  }
  async function* logged(): AsyncGenerator<StepEvent, void> {
    const event = late
    late = null
    if (event) yield await event
  }
  const saveCheckpoint = async (iteration: number): Promise<CheckpointEvent> => {
    const { bytes, nonFinite } = await session.encode(data.fingerprint, iteration)
    if (nonFinite) throw new NonFiniteError(clip.index, iteration, nonFinite, lastGood)
    await run.write(path, bytes)
    lastGood = iteration
    return { type: 'checkpoint', clip: clip.index, iteration, bytes: bytes.length }
  }

  for (let i = first; i < steps; i++) {
    await task.watch?.(liveClip(operators, config, session.model, clip, i))
    if (signal?.aborted) {
      yield* logged()
      progress.requireFinite(await progress.flush(), lastGood)
      yield await saveCheckpoint(i)
      yield { type: 'aborted', clip: clip.index, iteration: i }
      return 'aborted'
    }
    requestAhead(i)
    const example = await exampleAt(i)
    const done = i + 1
    const logs = done % config.checkpointing.logEvery === 0 || done === steps
    const evaluates = config.checkpointing.evaluateAt.includes(done)
    const { every } = config.checkpointing
    const saves = every !== null && done % every === 0 && done < steps
    const photograph = logs ? (example.shots[0]?.target ?? null) : null
    await session.step(example, i, (result, keep) => progress.add(result, keep, photograph))
    const growth = await session.growAfter(i)
    if (growth) yield { type: 'growth', clip: clip.index, iteration: done, ...growth, anchors: session.model.count }
    if (late && (logs || done % lateSteps === 0)) yield* logged()
    if (logs) logLater(done)
    if (logs && device.kind === 'wasm') yield* logged()
    if (evaluates) {
      yield* logged()
      const before = performance.now()
      const evaluation = await evaluateClip(operators, config, data, session.model, clip, targets, done)
      if (evaluation) yield evaluation
      progress.exclude(performance.now() - before)
    }
    if (saves) {
      yield* logged()
      const before = performance.now()
      progress.requireFinite(await progress.flush(), lastGood)
      yield await saveCheckpoint(done)
      progress.exclude(performance.now() - before)
    }
    await breathe()
  }
  yield* logged()
  const state = await session.state()
  const bad = firstNonFinite(config, stateTensors(config, state))
  if (bad) throw new NonFiniteError(clip.index, steps, bad, lastGood)
  const bytes = await writeClip(run, {
    config,
    kind,
    state,
    frames: { start: clip.start, end: clip.end },
    colorCameras: config.colorCompensation.enabled
      ? trainCameras.map((index) => data.cameras[index]?.name ?? '')
      : null,
    training: { steps, loss: progress.lastLoss },
  })
  await refreshManifest(run, task.header)
  await run.remove(path)
  const seconds = (performance.now() - started) / 1000
  yield {
    type: 'clip-end',
    clip: clip.index,
    seconds,
    bytes,
    loss: progress.lastLoss ?? Number.NaN,
    peakBytes: device.peakBytes,
  }
  return 'done'
}

/** Steps that are enqueued while what a logged step measured comes back, at most. */
const lateSteps = 5
