import type { View } from '@clipgstream/camera'
import type { Gaussians } from '@clipgstream/gaussians'
import type { GaussianCloud, Vfs } from '@clipgstream/io'
import { type ColorAffine, createColorAffine } from '@clipgstream/losses'
import type { Canvas } from '@clipgstream/rasterizer'
import { ArgumentError, type Device, type Tensor } from '@clipgstream/tensor'
import { type CanvasSize, createCanvas } from './canvas.js'
import { timeOf } from './clips.js'
import { ClipStreamError } from './errors.js'
import { allVisible, decodeFrame } from './forward.js'
import type { Inheritance } from './initial.js'
import type { ClipModel } from './model.js'
import { createFieldOperators, createSceneOperators, type SceneOperators } from './operators.js'
import { createModel } from './state.js'
import { readClip, readReference } from './stream/clip-files.js'
import { type ClipEntry, type ClipStreamManifest, manifestPath } from './stream/format.js'
import { readManifest } from './stream/manifest.js'

export interface PlayerOptions {
  /** Frames whose decoded Gaussians are kept on the device; 0 decodes what a view sees, for every image. */
  cachedFrames?: number
}

export interface RenderOptions {
  /** Look as this training camera does, if the stream has learned colour maps. */
  colorsOf?: string
}

/** A rendered view; the caller disposes its tensors. */
export interface RenderedView extends Disposable {
  image: Tensor<'f32'> // [H, W, 3] not clamped
  alpha: Tensor<'f32'> // [H, W]
  /** Sum of weight times camera z; divide by alpha for the expected depth. */
  depth: Tensor<'f32'> // [H, W]
}

/** Draws views of one frame, which stays decoded on the device until the canvas is disposed. */
export interface FrameCanvas extends Canvas {
  readonly frame: number
  /** Of the frame, seen or not. */
  readonly gaussians: number
}

/**
 * Plays a clip stream on `device`. The reference's anchors and decoders stay in memory; of the clips only the one that was
 * shown last is. Frames whose clip is not in the stream are an error.
 */
export async function openClipStream(vfs: Vfs, device: Device, options: PlayerOptions = {}): Promise<ClipPlayer> {
  const manifest = await readManifest(vfs)
  if (!manifest) throw new ClipStreamError(manifestPath, `is not in ${vfs.label}; train or import a stream first`)
  const entry = manifest.clips.find(({ index }) => index === 0)
  if (!entry) throw new ClipStreamError(manifestPath, 'has no reference clip yet; train clip 0 first')
  const [operators, reference, colorAffine] = await Promise.all([
    createSceneOperators(device, manifest.config),
    readReference(vfs, manifest, entry),
    createColorAffine(device),
  ])
  return new ClipPlayer(vfs, manifest, operators, reference, colorAffine, options.cachedFrames ?? 0)
}

interface LoadedClip {
  entry: ClipEntry
  model: ClipModel
  operators: SceneOperators
}

export class ClipPlayer implements Disposable {
  #loaded: LoadedClip | null = null
  #loading: Promise<unknown> = Promise.resolve()
  /** By frame, least recently used first. */
  readonly #cache = new Map<number, Gaussians>()

  constructor(
    private readonly vfs: Vfs,
    readonly manifest: ClipStreamManifest,
    private readonly scene: SceneOperators,
    private readonly reference: Inheritance,
    private readonly colorAffine: ColorAffine,
    private readonly cachedFrames: number,
  ) {}

  get device(): Device {
    return this.scene.device
  }

  /** Frames that can be played, ascending. */
  get frames(): number[] {
    return this.manifest.clips.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i))
  }

  /** All Gaussians of a frame. The tensors belong to the caller, or to the cache where there is one. */
  decode(frame: number): Promise<Gaussians> {
    return this.#exclusive(() => this.#decode(frame))
  }

  /** The Gaussians of a frame on the host, for files. */
  decodeToHost(frame: number): Promise<GaussianCloud> {
    return this.#exclusive(async () => {
      const gaussians = await this.#decode(frame)
      const cloud = {
        means: await gaussians.means.read(),
        scales: await gaussians.scales.read(),
        rotations: await gaussians.quats.read(),
        opacities: await gaussians.opacities.read(),
        colors: await gaussians.colors.read(),
      }
      if (this.cachedFrames === 0) disposeGaussians(gaussians)
      return cloud
    })
  }

  /** A view of a frame over the stream's background. */
  render(view: View, frame: number, { colorsOf }: RenderOptions = {}): Promise<RenderedView> {
    return this.#exclusive(async () => {
      const { model, operators, entry } = await this.#clipOf(frame)
      const cached = this.cachedFrames > 0 ? await this.#decode(frame) : null
      const { background } = this.manifest.config.rasterizer
      using scope = this.device.scope()
      const gaussians = cached ?? this.#decodeVisible(operators, model, view, this.#timeOf(frame, entry))
      const result = operators.rasterizer.forward(gaussians, view, background)
      const row = colorsOf === undefined ? null : colorRow(entry, colorsOf)
      const image =
        model.colors && row !== null ? this.colorAffine.forward(result.image, model.colors, row) : result.image
      const kept = [scope.keep(image), scope.keep(result.alpha), scope.keep(result.depth)]
      return {
        image,
        alpha: result.alpha,
        depth: result.depth,
        [Symbol.dispose]() {
          for (const tensor of kept) tensor.dispose()
        },
      }
    })
  }

  /**
   * Decodes a frame once, to draw many views of it over the stream's background: the fast way on devices whose rasterizer
   * has a canvas of its own. Images are those of a player with `cachedFrames`.
   */
  createCanvas(frame: number, size: CanvasSize): Promise<FrameCanvas> {
    return this.#exclusive(async () => {
      const { model, operators, entry } = await this.#clipOf(frame)
      const gaussians = this.#decodeAll(operators, model, this.#timeOf(frame, entry))
      const canvas = createCanvas(operators.rasterizer, gaussians, size, this.manifest.config.rasterizer.background)
      return {
        frame,
        gaussians: gaussians.opacities.size,
        image: canvas.image,
        draw: (view) => canvas.draw(view),
        [Symbol.dispose]() {
          canvas[Symbol.dispose]()
          disposeGaussians(gaussians)
        },
      }
    })
  }

  [Symbol.dispose](): void {
    for (const gaussians of this.#cache.values()) disposeGaussians(gaussians)
    this.#cache.clear()
    this.#loaded?.model[Symbol.dispose]()
    this.#loaded = null
  }

  #decodeVisible(operators: SceneOperators, model: ClipModel, view: View, time: number): Gaussians {
    const visible = operators.anchors.visible(model.anchors, view)
    const { combination } = this.manifest.config.decoders
    return decodeFrame(operators, model, combination, visible, time, 'nothing').gaussians
  }

  async #decode(frame: number): Promise<Gaussians> {
    const known = this.#cache.get(frame)
    if (known) {
      this.#cache.delete(frame)
      this.#cache.set(frame, known)
      return known
    }
    const { model, operators, entry } = await this.#clipOf(frame)
    const gaussians = this.#decodeAll(operators, model, this.#timeOf(frame, entry))
    if (this.cachedFrames > 0) {
      this.#cache.set(frame, gaussians)
      this.#shrinkCache()
    }
    return gaussians
  }

  #decodeAll(operators: SceneOperators, model: ClipModel, time: number): Gaussians {
    using scope = this.device.scope()
    const visible = allVisible(operators, model)
    const { combination } = this.manifest.config.decoders
    const { means, quats, scales, opacities, colors, count } = decodeFrame(
      operators,
      model,
      combination,
      visible,
      time,
      'nothing',
    ).gaussians
    // Copies, since some are views of tensors that end with the scope.
    const copy = <D extends 'f32' | 'u32'>(tensor: Tensor<D>): Tensor<D> => {
      const result = scope.keep(this.device.empty(tensor.shape, tensor.dtype, tensor.name))
      this.device.copy(tensor, result)
      return result
    }
    return {
      means: copy(means),
      quats: copy(quats),
      scales: copy(scales),
      opacities: copy(opacities),
      colors: copy(colors),
      count: copy(count),
    }
  }

  #shrinkCache(): void {
    for (const [frame, gaussians] of this.#cache) {
      if (this.#cache.size <= this.cachedFrames) return
      this.#cache.delete(frame)
      disposeGaussians(gaussians)
    }
  }

  #timeOf(frame: number, entry: ClipEntry): number {
    return timeOf(frame, entry, this.manifest.config.clips, 'rendering')
  }

  async #clipOf(frame: number): Promise<LoadedClip> {
    const entry = this.manifest.clips.find(({ start, end }) => frame >= start && frame < end)
    if (!entry || !Number.isInteger(frame)) {
      const clips = this.manifest.clips.map(({ start, end }) => `${start} to ${end - 1}`).join(', ')
      throw new ArgumentError('ClipPlayer', 'frame', frame, `one of the stream's frames: ${clips}`)
    }
    if (this.#loaded?.entry === entry) return this.#loaded
    const { grid, field } = entry
    const state = await readClip(this.vfs, this.manifest, entry, this.reference)
    const operators = { ...this.scene, ...(await createFieldOperators(this.device, { grid, field })) }
    this.#loaded?.model[Symbol.dispose]()
    this.#loaded = null
    this.#loaded = { entry, operators, model: createModel(operators, state) }
    return this.#loaded
  }

  /** One request after the other: loading a clip replaces the one before. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#loading.then(work, work)
    this.#loading = result.catch(() => {})
    return result
  }
}

function colorRow({ colorCameras }: ClipEntry, camera: string): number {
  const row = colorCameras?.indexOf(camera) ?? -1
  if (row >= 0) return row
  const known = colorCameras ? `one of ${colorCameras.join(', ')}` : 'left out, since the clip has no colour maps'
  throw new ArgumentError('ClipPlayer', 'colorsOf', camera, known)
}

/** Frees what {@link ClipPlayer.decode} gave. */
export function disposeGaussians(gaussians: Gaussians): void {
  for (const tensor of Object.values(gaussians)) tensor.dispose()
}
