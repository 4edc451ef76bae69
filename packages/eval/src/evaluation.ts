import { ArgumentError, ShapeError } from '@clipgstream/tensor'
import { type ClipRange, clipFinder } from './clips.js'
import { columnsOf } from './columns.js'
import { createGallery, type Exhibit } from './gallery.js'
import { checkPair, type Image, toBytes } from './image.js'
import type { Lpips } from './lpips/lpips.js'
import type { FrameMetrics, Measured } from './measured.js'
import { ColorFits } from './metrics/colors.js'
import { defaultStaticThreshold, flicker, type Observation } from './metrics/flicker.js'
import { checkMask, psnr, regionPsnr } from './metrics/psnr.js'
import { dissimilarity, similarity } from './metrics/ssim.js'
import { type Summary, summarize } from './summary.js'

/** A perceptual metric that has a column but no values. */
export interface MissingNet {
  /** `lpips-vgg` */
  readonly name: string
  /** Why, and what to do. */
  readonly missing: string
}

export interface EvaluationOptions {
  /** Which frames were trained together; without it all frames are one clip. */
  clips?: readonly ClipRange[]
  /** Perceptual metrics, in the order of their columns. */
  nets?: readonly (Lpips | MissingNet)[]
  /** Without masks, a pixel is static when the ground truth changes by less, in levels of 255. Default 8. */
  staticThreshold?: number
  /** Most image pairs that are kept for a report: the best and the worst frame of the first views. Default 8. */
  exhibits?: number
}

/** Evaluates image pairs one by one; holds numbers of all, and images of one frame a view and of the exhibits. */
export interface Evaluation {
  /**
   * Measures one rendered image against the truth. Floats are brought to the bytes that their PNG would have. `mask` //
   * [height, width]: 255 moves, 128 stands still in changing light, 0 stands still. Frames of a view come in ascending
   * order. Throws when sizes differ, a value is not a number, or a frame comes twice; the evaluation goes on.
   */
  add(view: string, frame: number, render: Image, truth: Image, mask?: Uint8Array | null): Promise<FrameMetrics>
  /** What was measured so far. */
  summary(): Summary
  /** All frames, in the order in which they were added. */
  rows(): readonly FrameMetrics[]
  exhibits(): readonly Exhibit[]
}

export function createEvaluation(options: EvaluationOptions = {}): Evaluation {
  const { nets = [], staticThreshold = defaultStaticThreshold } = options
  const names = nets.map(({ name }) => name)
  if (new Set(names).size !== names.length) {
    throw new ArgumentError('createEvaluation', 'nets', names.join(', '), 'different metrics')
  }
  if (!(staticThreshold > 0)) {
    throw new ArgumentError('createEvaluation', 'staticThreshold', staticThreshold, 'above 0')
  }
  const remarks = nets.flatMap((net) => ('remark' in net && net.remark ? [`${net.name}: ${net.remark}`] : []))
  const clipOf = clipFinder(options.clips)
  const rows: FrameMetrics[] = []
  const fits = new ColorFits()
  const last = new Map<string, Observation & { frame: number; clip: number }>()
  const gallery = createGallery(options.exhibits ?? 8)
  let masks = false

  return {
    async add(view, frame, render, truth, mask = null) {
      const { width, height } = checkPair(`view ${view}, frame ${frame}`, render, truth)
      if (mask) checkMask(`view ${view}, frame ${frame}`, mask, width, height)
      if (!Number.isInteger(frame)) throw new ArgumentError('evaluation.add', 'frame', frame, 'an integer')
      for (const [name, { data }] of Object.entries({ render, truth })) {
        if (data instanceof Float32Array && !data.every(Number.isFinite)) {
          const what = `values of the ${name} of view ${view}, frame ${frame}`
          throw new ArgumentError('evaluation.add', what, 'NaN or infinity among them', 'finite')
        }
      }
      const clip = clipOf(frame)
      const before = last.get(view)
      if (before && frame <= before.frame) {
        throw new ArgumentError(
          'evaluation.add',
          `frame of view ${view}`,
          frame,
          `above ${before.frame}, the one before`,
        )
      }
      if (before && before.render.length !== width * height * 3) {
        throw new ShapeError('evaluation.add', `render of view ${view}`, [before.render.length], [width * height * 3])
      }
      const seen = { render: toBytes(render).slice(), truth: toBytes(truth).slice(), mask: mask?.slice() ?? null }
      const a = { width, height, data: seen.render }
      const b = { width, height, data: seen.truth }
      const values: Record<string, Measured> = { psnr: psnr(a, b) }
      const { ssim, msSsim } = similarity(a, b)
      values['dssim1'] = (1 - ssim) / 2
      values['dssim2'] = dissimilarity(msSsim)
      if (mask) {
        const regions = regionPsnr(a, b, mask)
        values['psnr_moving'] = regions.moving
        values['psnr_outside'] = regions.outside
        masks = true
      }
      if (before?.frame === frame - 1) {
        values[before.clip === clip ? 'flicker' : 'flicker_border'] = flicker(before, seen, staticThreshold)
      }
      last.set(view, { ...seen, frame, clip })
      for (const net of nets) {
        values[net.name] = 'missing' in net ? { notAvailable: net.missing } : await net.measure(a, b)
      }
      const row = { view, frame, clip, values }
      rows.push(row)
      fits.add(row, seen.render, seen.truth)
      gallery.offer(view, frame, a, b, psnr(a, b))
      return row
    },
    summary() {
      const fitted = fits.apply(rows)
      return { ...summarize(fitted.rows, columnsOf(names, masks), options.clips, remarks), colors: fitted.colors }
    },
    rows: () => fits.apply(rows).rows,
    exhibits: () => gallery.exhibits(),
  }
}
