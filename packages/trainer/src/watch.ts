import type { View } from '@clipgstream/camera'
import { ArgumentError, type Tensor } from '@clipgstream/tensor'
import { type Clip, timeOf } from './clips.js'
import type { Config } from './config.js'
import { renderView } from './forward.js'
import type { ClipModel } from './model.js'
import type { TrainingOperators } from './operators.js'

/** A clip between two of its training steps. Not to be kept: the next step changes the model. */
export interface LiveClip {
  readonly clip: Clip
  /** Steps done. */
  readonly iteration: number
  /** What the model shows of `view` at a frame of the clip // [H, W, 3] not clamped; the caller disposes it. */
  render(view: View, frame: number): Tensor<'f32'>
}

/**
 * Called before every step and waited for: a display looks at the model here, and training pauses for as long as it likes.
 * Nothing that is rendered changes what is learned. The time that it takes counts in the `rate` of `step` events.
 */
export type Watch = (live: LiveClip) => void | Promise<void>

export function liveClip(
  operators: TrainingOperators,
  config: Config,
  model: ClipModel,
  clip: Clip,
  iteration: number,
): LiveClip {
  return {
    clip,
    iteration,
    render(view, frame) {
      if (!(Number.isInteger(frame) && frame >= clip.start && frame < clip.end))
        throw new ArgumentError('LiveClip.render', 'frame', frame, `in [${clip.start}, ${clip.end}), the clip's frames`)
      using scope = operators.device.scope()
      return scope.keep(renderView(operators, model, config, view, timeOf(frame, clip, config.clips, 'rendering')))
    },
  }
}
