import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readPointCloud, writePointCloud } from '@clipgstream/io'
import { type Capture, coverHoles, estimateCloud, focusDistance, mergeClouds, sparseCloud } from '@clipgstream/stereo'
import { sparsePath } from '../cameras.js'
import type { DatasetView } from '../images.js'
import { eachOf } from '../steps/pool.js'
import { type CloudContext, capturesOf, fewestViews, readAhead } from './captures.js'
import type { Background, CloudMaker } from './maker.js'
import { type ColoredCloud, joined } from './merge.js'
import {
  fewestFrames,
  makeStill,
  movingCaptures,
  planStills,
  readStills,
  type Stills,
  shareOf,
  stillCaptures,
  stillFolder,
} from './still.js'

const stillCloud = `${stillFolder}/cloud.ply`
/** Share of pixels from which on it is not worth it to part what moves from what stands still. */
const mostMoving = 0.6

/** With fewer there is too little texture to match patches everywhere: corners are looked for, too. */
const fewestPoints = 200

/** Pixels between points: an anchor's Gaussians share the pixels around it. */
const pixelsApart = 3

const noPoints: ColoredCloud = { positions: new Float32Array(), colors: new Uint8Array() }

type OnProgress = (note: string) => void

/** Clouds by multi-view stereo: what stands still once, and of every frame what moves; or every frame whole. */
export function stereoClouds(
  context: CloudContext,
  views: readonly DatasetView[],
  frames: readonly number[],
): CloudMaker {
  const { stereoWholeFrames = false, stereoHalvings: skipLevels = 0 } = context.options
  const { report } = context.workspace
  const cameras = views.map(({ name }) => name)
  const finest = spacingOf(views)
  const capturesAt = readAhead((frame) => capturesOf(context, views, frame))
  const whole = async (frame: number, onProgress: OnProgress, next?: number) =>
    estimateAll(context, `frame ${frame}`, await capturesAt(frame, next), onProgress)
  if (stereoWholeFrames || frames.length < fewestFrames)
    return {
      ...{ kind: 'stereo', still: false, finest },
      inputs: { cameras, skipLevels, whole: true },
      make(frame, onProgress, next) {
        if (!stereoWholeFrames && frame === frames[0])
          report({
            type: 'note',
            message: `stereo: ${frames.length} frames do not tell what stands still (${fewestFrames} would): each is estimated whole`,
          })
        return whole(frame, onProgress, next)
      },
    }
  const background = stillBackground(context, views, frames)
  const movingAt = readAhead(async (frame) => {
    const stills = await background.read()
    return stills && movingCaptures(context, stills, frame)
  })
  return {
    ...{ kind: 'stereo', still: false, finest },
    inputs: { cameras, skipLevels, whole: false, cover: context.options.stereoCover !== false },
    background,
    async make(frame, onProgress, next) {
      const moving = await movingAt(frame, next)
      if (!moving) return whole(frame, onProgress, next)
      const { captures, share } = moving
      if (share <= mostMoving) return estimate(context, `frame ${frame}`, captures, onProgress)
      report({
        type: 'warning',
        message: `stereo: ${percent(share)} of the pixels of frame ${frame} are not as in the still pictures (does the light change?): it is estimated whole`,
      })
      return whole(frame, onProgress)
    },
  }
}

/** The still pictures, and the cloud of them. `read` gives null where too little stands still. */
function stillBackground(
  context: CloudContext,
  views: readonly DatasetView[],
  frames: readonly number[],
): Background & { read(): Promise<Stills | null> } {
  const { workspace } = context
  const plan = planStills(context, views, frames)
  let known: Promise<Stills | null> | null = null
  const read = async () => {
    const stills = await readStills(context, plan)
    const share = shareOf([...stills.values()].map(({ unsure }) => unsure))
    if (share <= mostMoving) return stills
    workspace.report({
      type: 'warning',
      message: `stereo: at ${percent(share)} of the pixels nothing stands still for long enough (do the cameras move?): every frame is estimated whole`,
    })
    return null
  }
  const stills = () => {
    known ??= read()
    return known
  }
  const stillPoints = async (captures: readonly Capture[], onProgress: OnProgress) => {
    const cloud = await estimateAll(context, 'what stands still', captures, onProgress)
    if (cloud.count === 0 || context.options.stereoCover === false) return cloud
    onProgress('what stands still and has no texture')
    return joined(cloud, coverHoles(captures, cloud))
  }
  return {
    files: [...plan.flatMap(({ picture, unsure }) => [picture, unsure]), stillCloud],
    cloud: stillCloud,
    read: stills,
    async make(wanted, onProgress) {
      const todo = plan.filter(({ picture, unsure }) => wanted.has(picture) || wanted.has(unsure))
      // One is read while another one is encoded.
      await eachOf(
        todo,
        2,
        async (still) => {
          onProgress(`what stands still before ${still.name}`)
          await makeStill(context, still)
        },
        workspace.signal,
      )
      if (!wanted.has(stillCloud)) return
      const found = await stills()
      const cloud = found ? await stillPoints(stillCaptures(found), onProgress) : noPoints
      await workspace.write(stillCloud, writePointCloud(cloud))
    },
  }
}

/** Of whole pictures; by corners as well where there is little else. */
async function estimateAll(context: CloudContext, what: string, captures: readonly Capture[], onProgress: OnProgress) {
  const cloud = await estimate(context, what, captures, onProgress)
  if (cloud.count >= fewestPoints) return cloud
  const { report, signal } = context.workspace
  const options = { minViews: fewestViews, ...(signal && { signal }) }
  const corners = await sparseCloud(captures, options, (done, total) => onProgress(`${what}: corners ${done}/${total}`))
  report({
    type: 'warning',
    message: `stereo finds ${cloud.count} points in ${what}: there is little texture; corners add ${corners.count}`,
  })
  return mergeClouds([cloud, corners], spacingOf(captures))
}

async function estimate(context: CloudContext, what: string, captures: readonly Capture[], onProgress: OnProgress) {
  const { workspace, options } = context
  const path = join(workspace.folder, sparsePath)
  const { positions } = readPointCloud(new Uint8Array(await readFile(path)), sparsePath)
  const settings = {
    skipLevels: options.stereoHalvings ?? 0,
    ...(positions.length >= 60 && { points: Float32Array.from(positions) }),
    ...(workspace.signal && { signal: workspace.signal }),
  }
  return estimateCloud(await context.device(), captures, settings, ({ stage, done, total }) =>
    onProgress(`${what}: ${stage} ${done}/${total}`),
  )
}

/** The size of a few pixels at the distance of the scene, in the median camera. */
function spacingOf(views: readonly Pick<DatasetView, 'view'>[]): number {
  const all = views.map(({ view }) => view)
  const sizes = all.map((view, i) => (pixelsApart * focusDistance(all, i)) / view.fx).sort((a, b) => a - b)
  return sizes[sizes.length >> 1] ?? 0
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`
}
