import type { View } from '@clipgstream/camera'
import type { Tensor } from '@clipgstream/tensor'
import type { ClipPlayer, Watch } from '@clipgstream/trainer'
import type { FromWorker, Look } from '../messages.js'
import type { Painter } from './painter.js'

interface Model {
  /** Steps done; null when it has been trained. */
  iteration: number | null
  start: number
  end: number
  render(view: View, frame: number): Promise<Tensor<'f32'>> | Tensor<'f32'>
}

/** What is seen of the model, in training and afterwards; and the pause button, since training waits for who looks at it. */
export class Stage {
  paused = false
  #look: Look | null = null
  #moved = false
  #wake: () => void = () => {}

  constructor(
    private readonly painter: Painter,
    private readonly every: number,
    private readonly tell: (message: FromWorker) => void,
  ) {}

  look(look: Look): void {
    this.#look = look
    this.#moved = true
    this.#wake()
  }

  pause(paused: boolean): void {
    this.paused = paused
    this.#wake()
  }

  /** Draws when the camera has moved, and every so many steps; stays here as long as training is paused. */
  readonly watch: Watch = async ({ clip: { start, end }, iteration, render }) => {
    if (iteration % this.every === 0) this.#moved = true
    for (;;) {
      if (this.#moved) await this.#draw({ iteration, start, end, render })
      if (!this.paused) return
      // It may have moved while it was drawn.
      if (!this.#moved) await this.#something()
    }
  }

  /** Draws what was trained whenever the camera moves, until `signal`. */
  async play(player: ClipPlayer, signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#wake())
    const { frames } = player
    const model: Model = {
      iteration: null,
      start: frames[0] ?? 0,
      end: (frames.at(-1) ?? 0) + 1,
      render: async (view, frame) => (await player.render(view, frame)).image,
    }
    this.#moved = true
    while (!signal.aborted) {
      if (this.#moved) await this.#draw(model)
      else await this.#something()
    }
  }

  async #draw({ iteration, start, end, render }: Model): Promise<void> {
    this.#moved = false
    const look = this.#look
    if (!look) return
    const started = performance.now()
    const frame = Math.min(Math.max(look.frame, start), end - 1)
    using image = await render(look.view, frame)
    await this.painter.paint(image)
    this.tell({ type: 'drawn', look: look.number, frame, iteration, milliseconds: performance.now() - started })
  }

  #something(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
