import type { View } from '@clipgstream/camera'
import type { Device } from '@clipgstream/tensor'
import type { ClipPlayer } from '@clipgstream/trainer'
import type { ImageSize } from '../options.js'
import { bytesText, type Terminal, tableText } from '../terminal.js'

export interface FpsOptions {
  sizes?: readonly ImageSize[]
  /** Images of each measurement. */
  draws?: number
}

/** One measurement; milliseconds between the ends of successive images, all of them enqueued without waiting. */
interface Rate {
  /** `decoded`: each image is of another frame, which is decoded for it; `cached`: views of one decoded frame. */
  mode: 'decoded' | 'cached'
  width: number
  height: number
  images: number
  /** Images by the seconds from the first call to the end of the last image. */
  fps: number
  median: number
  p95: number
  p99: number
  /** Of the decoded frame, seen or not. */
  gaussians: number
  /** Device memory at most, in bytes. */
  peakBytes: number
}

const usualSizes: readonly ImageSize[] = [
  { width: 1352, height: 1014 },
  { width: 1920, height: 1080 },
]

/**
 * Measures how fast a stream plays on the player's device: with every frame decoded for its image, and with one frame
 * that stays decoded. Nothing is read back; what a size or a view needs for the first time is done before.
 */
export async function fpsTest(
  terminal: Terminal,
  player: ClipPlayer,
  shots: readonly { readonly view: View; readonly frame: number }[],
  options: FpsOptions = {},
): Promise<void> {
  const { device } = player
  const draws = options.draws ?? (device.kind === 'wasm' ? 20 : 1000)
  const sizes = options.sizes ?? withoutTwins([...shots.map(({ view }) => view), ...usualSizes])
  const rates: Rate[] = []
  const progress = terminal.progress('fps', 2 * sizes.length)
  for (const size of sizes) {
    const scaled = shots.map(({ view, frame }) => ({ frame, view: resized(view, size) }))
    for (const measure of [measureDecoded, measureCached]) {
      const rate = await measure(player, scaled, size, draws)
      rates.push(rate)
      terminal.event({ type: 'fps', device: device.label, ...rate })
      progress.update(rates.length, `${size.width}x${size.height} ${rate.mode} ${rate.fps.toFixed(0)}/s`)
    }
  }
  progress.stop()
  terminal.line(device.label)
  terminal.line(
    tableText([
      ['size', 'frames', 'a second', 'median ms', '95 %', '99 %', 'Gaussians', 'memory'],
      ...rates.map(({ mode, width, height, fps, median, p95, p99, gaussians, peakBytes }) => [
        `${width}x${height}`,
        mode,
        fps >= 100 ? fps.toFixed(0) : fps.toFixed(1),
        ...[median, p95, p99].map((value) => value.toFixed(3)),
        String(gaussians),
        bytesText(peakBytes),
      ]),
    ]),
  )
}

interface Scaled {
  view: View
  frame: number
}

/** Frames of one clip after the other; loading a clip is not part of the time. */
async function measureDecoded(player: ClipPlayer, shots: readonly Scaled[], size: ImageSize, draws: number) {
  const { device } = player
  const clips = player.manifest.clips
    .map(({ start, end }) => shots.filter(({ frame }) => frame >= start && frame < end))
    .filter((group) => group.length > 0)
  device.resetPeak()
  const show = async ({ view, frame }: Scaled) => {
    using _rendered = await player.render(view, frame)
  }
  const parts: Timing[] = []
  for (const [i, group] of clips.entries()) {
    for (const shot of group.slice(0, warmUps)) {
      await show(shot)
      await settle(device)
    }
    const images = Math.floor(((i + 1) * draws) / clips.length) - Math.floor((i * draws) / clips.length)
    parts.push(await timed(device, images, (n) => show(at(group, n))))
  }
  const gaussians = await gaussiansOf(player, at(shots, 0).frame)
  return { mode: 'decoded', ...size, ...summary(parts), gaussians, peakBytes: device.peakBytes } satisfies Rate
}

async function measureCached(player: ClipPlayer, shots: readonly Scaled[], size: ImageSize, draws: number) {
  const { device } = player
  device.resetPeak()
  const { frame } = at(shots, 0)
  using canvas = await player.createCanvas(frame, size)
  const views = shots.map(({ view }) => view)
  // Twice: what the first round learns of the views, the second makes use of.
  for (let round = 0; round < 2; round++) {
    for (const view of views.slice(0, warmUps)) {
      canvas.draw(view)
      await settle(device)
    }
  }
  const timing = await timed(device, draws, (n) => canvas.draw(at(views, n)))
  return {
    ...{ mode: 'cached', ...size, ...summary([timing]) },
    ...{ gaussians: canvas.gaussians, peakBytes: device.peakBytes },
  } satisfies Rate
}

/** Views and frames that are drawn before the time is taken. */
const warmUps = 100

async function gaussiansOf(player: ClipPlayer, frame: number): Promise<number> {
  const gaussians = await player.decode(frame)
  const count = gaussians.opacities.size
  for (const tensor of Object.values(gaussians)) tensor.dispose()
  return count
}

/** Waits for the device, and lets what it reports late arrive. */
async function settle(device: Device): Promise<void> {
  await device.synchronize()
  await new Promise((resolve) => setTimeout(resolve, 2))
}

interface Timing {
  seconds: number
  /** Between the ends of successive images, milliseconds. */
  intervals: number[]
}

/** Enqueues `images` images one after the other and waits once, behind the last. */
async function timed(device: Device, images: number, draw: (index: number) => void | Promise<void>): Promise<Timing> {
  await device.synchronize()
  const clock = device.kind === 'cuda' ? await eventClock(device) : hostClock()
  const started = performance.now()
  clock.mark()
  for (let i = 0; i < images; i++) {
    // A promise only where there is one: awaiting nothing would cost a turn of the event loop all the same.
    const drawn = draw(i)
    if (drawn) await drawn
    clock.mark()
  }
  await device.synchronize()
  const seconds = (performance.now() - started) / 1000
  return { seconds, intervals: clock.intervals() }
}

interface Clock {
  mark(): void
  intervals(): number[]
}

function hostClock(): Clock {
  const times: number[] = []
  return {
    mark: () => times.push(performance.now()),
    intervals: () => times.slice(1).map((time, i) => time - (times[i] ?? time)),
  }
}

/** Marks of the GPU's own time. */
async function eventClock(device: Device): Promise<Clock> {
  const { CudaDevice } = await import('@clipgstream/tensor/cuda')
  if (!(device instanceof CudaDevice)) return hostClock()
  const events: ReturnType<typeof device.record>[] = []
  return {
    mark: () => events.push(device.record()),
    intervals() {
      const times = events.slice(1).map((event, i) => event.millisecondsSince(events[i] ?? event))
      for (const event of events.splice(0)) event[Symbol.dispose]()
      return times
    },
  }
}

function summary(parts: readonly Timing[]): Pick<Rate, 'images' | 'fps' | 'median' | 'p95' | 'p99'> {
  const intervals = parts.flatMap((part) => part.intervals).sort((a, b) => a - b)
  const seconds = parts.reduce((sum, part) => sum + part.seconds, 0)
  const percentile = (share: number) => intervals[Math.min(intervals.length - 1, Math.floor(share * intervals.length))]
  return {
    images: intervals.length,
    fps: intervals.length / seconds,
    median: percentile(0.5) ?? Number.NaN,
    p95: percentile(0.95) ?? Number.NaN,
    p99: percentile(0.99) ?? Number.NaN,
  }
}

/** The view as a camera of another size has it: as much of the scene across, more or less of it in height. */
export function resized(view: View, { width, height }: ImageSize): View {
  const scale = width / view.width
  return {
    ...view,
    ...{ width, height, fx: view.fx * scale, fy: view.fy * scale },
    cx: view.cx * scale,
    cy: height / 2 + (view.cy - view.height / 2) * scale,
  }
}

function withoutTwins(sizes: readonly ImageSize[]): ImageSize[] {
  const known = new Map(sizes.map(({ width, height }) => [`${width}x${height}`, { width, height }]))
  return [...known.values()]
}

/** The list, again and again. */
function at<T>(list: readonly T[], index: number): T {
  const item = list[index % list.length]
  if (item === undefined) throw new Error('there is nothing to draw')
  return item
}
