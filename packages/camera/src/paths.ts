import { CameraError } from './errors.js'
import { sceneFocus, sceneUp } from './extent.js'
import { cameraCentre, lookAt, viewDirection } from './pose.js'
import { add, cross, direction, dot, length, mean, scale, subtract, type Vec3 } from './vector.js'
import type { Intrinsics, View } from './view.js'

/** A camera that moves: the view at u, 0 at the start and 1 at the end. Values outside are taken to the nearer end. */
export type CameraPath = (u: number) => View

/**
 * `count` views along a path. A closed path stops one step before its end, which is its start, so that a video of it
 * loops.
 */
export function samplePath(path: CameraPath, count: number, { closed = false } = {}): View[] {
  if (!(Number.isInteger(count) && count > 0)) throw new CameraError(`count must be a positive integer, got ${count}`)
  const steps = closed ? count : Math.max(1, count - 1)
  return Array.from({ length: count }, (_, i) => path(i / steps))
}

export interface OrbitOptions {
  /** The point in the middle of every picture; by default the focus of the cameras. */
  focus?: Vec3
  /** Axis of the circle; by default the mean up direction of the cameras. */
  up?: Vec3
  /** Distance from the axis, world units; by default the mean of the cameras. */
  radius?: number
  /** Height above the focus, world units; by default the mean of the cameras. */
  height?: number
  /** Number of turns, negative for the other way; default 1. */
  turns?: number
  /** By default those of the first camera. */
  intrinsics?: Intrinsics
}

/** A circle around the scene that starts beside the first camera. Closed when `turns` is whole. */
export function orbitPath(views: readonly View[], options: OrbitOptions = {}): CameraPath {
  const first = firstOf(views)
  const focus = options.focus ?? sceneFocus(views)
  const up = direction(options.up ?? sceneUp(views))
  if (!up) throw new CameraError('up must not be zero')
  const arms = views.map((view) => subtract(cameraCentre(view), focus))
  const flat = (arm: Vec3) => subtract(arm, scale(up, dot(arm, up)))
  const average = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const radius = options.radius ?? average(arms.map((arm) => length(flat(arm))))
  const height = options.height ?? average(arms.map((arm) => dot(arm, up)))
  const start = direction(flat(cameraCentreFrom(first, focus)))
  if (!start || !(radius > 0)) {
    throw new CameraError(`an orbit needs a radius above 0, got ${radius}; pass a radius, or a focus off the cameras`)
  }
  const side = cross(up, start)
  const { turns = 1, intrinsics = first } = options
  return (u) => {
    const angle = 2 * Math.PI * turns * clampUnit(u)
    const arm = add(scale(start, radius * Math.cos(angle)), scale(side, radius * Math.sin(angle)))
    return lookAt(add(add(focus, arm), scale(up, height)), focus, up, intrinsics)
  }
}

export interface SpiralOptions {
  /** Half sizes to the right, up and forward, world units; by default the 90th percentile of the cameras' offsets. */
  radii?: Vec3
  /** The point in the middle of every picture; by default on the mean axis, at the depth of the cameras' focus. */
  focus?: Vec3
  /** Number of turns; default 2. */
  turns?: number
  /** Periods of the movement forward and back in one turn; default 0.5. */
  forwardRate?: number
  intrinsics?: Intrinsics
}

/** A spiral before cameras that look the same way (after the forward-facing path of LLFF, Mildenhall et al. 2019). */
export function spiralPath(views: readonly View[], options: SpiralOptions = {}): CameraPath {
  const first = firstOf(views)
  const centres = views.map(cameraCentre)
  const centre = mean(centres)
  const forwardMean = mean(views.map(viewDirection))
  const forward = direction(forwardMean)
  if (!forward || length(forwardMean) < 0.1) {
    throw new CameraError('a spiral needs cameras that look the same way; use an orbit for cameras around a scene')
  }
  const up = sceneUp(views)
  const right = direction(cross(forward, up))
  if (!right) throw new CameraError('a spiral needs cameras that do not look straight up or down')
  const axes = [right, cross(right, forward), forward] as const
  const reach = (axis: Vec3) => {
    const offsets = centres.map((c) => Math.abs(dot(subtract(c, centre), axis))).sort((a, b) => a - b)
    return offsets[Math.min(offsets.length - 1, Math.floor(0.9 * offsets.length))]!
  }
  const radii = options.radii ?? [reach(axes[0]), reach(axes[1]), reach(axes[2])]
  let focus = options.focus
  if (!focus) {
    const depth = dot(subtract(sceneFocus(views), centre), forward)
    if (!(depth > 0)) throw new CameraError('the focus of the cameras is behind them; pass a focus')
    focus = add(centre, scale(forward, depth))
  }
  const target = focus
  const { turns = 2, forwardRate = 0.5, intrinsics = first } = options
  return (u) => {
    const angle = 2 * Math.PI * turns * clampUnit(u)
    const weights = [Math.cos(angle), Math.sin(angle), Math.sin(angle * forwardRate)]
    const eye = weights.reduce((sum, w, i) => add(sum, scale(axes[i]!, w * radii[i]!)), centre)
    return lookAt(eye, target, up, intrinsics)
  }
}

export function clampUnit(u: number): number {
  if (Number.isNaN(u)) throw new CameraError('the position on a path must be a number, got NaN')
  return Math.min(1, Math.max(0, u))
}

function firstOf(views: readonly View[]): View {
  const first = views[0]
  if (!first) throw new CameraError('a path needs at least one view, got none')
  return first
}

function cameraCentreFrom(view: View, origin: Vec3): Vec3 {
  return subtract(cameraCentre(view), origin)
}
