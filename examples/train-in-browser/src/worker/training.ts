import type { Device } from '@clipgstream/tensor'
import { selectDevice } from '@clipgstream/tensor'
import { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import {
  createMemoryRun,
  openClipStream,
  type RunFolder,
  resolveConfig,
  type TrainingData,
  train,
} from '@clipgstream/trainer'
import type { FromWorker, Look, Source } from '../messages.js'
import type { Settings } from '../settings.js'
import { createPainter } from './painter.js'
import { openSource } from './sources.js'
import { Stage } from './stage.js'

/** A run in this worker's memory: trained, watched, stopped and gone on with. */
export class Training {
  readonly run: RunFolder = createMemoryRun()
  readonly #config
  #data: TrainingData | null = null
  #stage: Stage | null = null
  #look: Look | null = null
  #stop = new AbortController()
  /** The last checkpoint. */
  #kept: number | null = null

  constructor(
    private readonly settings: Settings,
    private readonly source: Source,
    private readonly tell: (message: FromWorker) => void,
  ) {
    this.#config = resolveConfig({ preset: settings.preset, overrides: settings.overrides })
  }

  /** Trains what is missing and then shows the result on `canvas` until it is stopped. What goes wrong is told in words. */
  async proceed(canvas: OffscreenCanvas): Promise<void> {
    this.#stop = new AbortController()
    try {
      using device = await selectDevice(this.settings.device)
      this.tell({ type: 'device', label: device.label, details: detailsOf(device) })
      const data = await this.#open()
      const stage = new Stage(createPainter(device, canvas), this.settings.every, this.tell)
      this.#stage = stage
      if (this.#look) stage.look(this.#look)
      const { clips } = this.settings
      const { signal } = this.#stop
      const options = { data, device, run: this.run, config: this.#config, watch: stage.watch, signal, resume: true }
      for await (const event of train({ ...options, ...(clips && { clips }) })) {
        if (event.type === 'checkpoint') this.#kept = event.iteration
        if (event.type === 'clip-end') this.#kept = null
        this.tell({ type: 'event', event })
      }
      if (signal.aborted) return
      using player = await openClipStream(this.run, device)
      await stage.play(player, signal)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      this.tell({ type: 'problem', message, kept: this.#kept })
    } finally {
      this.#stage = null
    }
  }

  look(look: Look): void {
    this.#look = look
    this.#stage?.look(look)
  }

  pause(paused: boolean): void {
    this.#stage?.pause(paused)
  }

  stop(): void {
    this.#stop.abort()
    this.#stage?.pause(false)
  }

  async #open(): Promise<TrainingData> {
    if (this.#data) return this.#data
    const { name, data } = await openSource(this.source, this.#config, this.settings.points)
    this.#data = data
    this.tell({ type: 'scene', name, cameras: [...data.cameras], frames: data.frames })
    return data
  }
}

function detailsOf(device: Device): string {
  if (device instanceof WebgpuDevice) return device.details
  return crossOriginIsolated ? 'shared memory' : 'one thread: the page is not cross-origin isolated'
}
