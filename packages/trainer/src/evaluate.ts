import { ColorFit, colorChangeOf, quantize } from '@clipgstream/io'
import { type Clip, timeOf } from './clips.js'
import type { Config } from './config.js'
import type { TrainingData } from './data.js'
import type { CameraScore, EvaluationEvent } from './events.js'
import { renderView } from './forward.js'
import { psnrOf, squaredError } from './image-error.js'
import type { ClipModel } from './model.js'
import type { TrainingOperators } from './operators.js'
import type { Targets } from './targets.js'

/**
 * Renders every test view of the clip. `psnrCompensated` is measured behind the affine colour map that fits a test camera
 * best over the clip: test cameras have none of their own, and exposures differ. Null without images of test cameras.
 */
export async function evaluateClip(
  operators: TrainingOperators,
  config: Config,
  data: TrainingData,
  model: ClipModel,
  clip: Clip,
  targets: Targets,
  iteration: number,
): Promise<EvaluationEvent | null> {
  const started = performance.now()
  const cameras: CameraScore[] = []
  let sample: EvaluationEvent['sample'] | null = null
  for (const [index, { name, test, view }] of data.cameras.entries()) {
    if (!test) continue
    const frames = framesOf(data, index, clip)
    if (frames.length === 0) continue
    const scores: { psnr: number; ssim: number }[] = []
    const fits: ColorFit[] = []
    for (const [i, frame] of frames.entries()) {
      targets.prefetch(frames.slice(i + 1, i + 2).map((next) => ({ camera: index, frame: next })))
      const photograph = await targets.load(index, frame)
      using _scope = operators.device.scope()
      const time = timeOf(frame, clip, config.clips, 'rendering')
      const rendered = renderView(operators, model, config, view, time)
      const { terms } = operators.photometric.forward(rendered, photograph)
      const [image, values, target] = [await rendered.read(), await terms.read(), await data.image(index, frame)]
      scores.push({ psnr: psnrOf(squaredError(image, target)), ssim: values[1] ?? Number.NaN })
      const fit = new ColorFit()
      fit.add(image, target)
      fits.push(fit)
      sample ??= { camera: name, frame, width: view.width, height: view.height, rendered: quantize(image), target }
    }
    const whole = new ColorFit()
    for (const fit of fits) whole.merge(fit)
    const matrix = whole.solve()
    cameras.push({
      camera: name,
      psnr: mean(scores.map(({ psnr }) => psnr)),
      ssim: mean(scores.map(({ ssim }) => ssim)),
      psnrCompensated: mean(fits.map((fit) => psnrOf(fit.meanSquaredError(matrix)))),
      colors: colorChangeOf(matrix),
    })
  }
  if (!sample) return null
  return {
    type: 'evaluation',
    clip: clip.index,
    iteration,
    psnr: mean(cameras.map(({ psnr }) => psnr)),
    ssim: mean(cameras.map(({ ssim }) => ssim)),
    psnrCompensated: mean(cameras.map(({ psnrCompensated }) => psnrCompensated)),
    cameras,
    seconds: (performance.now() - started) / 1000,
    sample,
  }
}

function framesOf({ has }: TrainingData, camera: number, { start, end }: Clip): number[] {
  const frames = Array.from({ length: end - start }, (_, i) => start + i)
  return has ? frames.filter((frame) => has(camera, frame)) : frames
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
