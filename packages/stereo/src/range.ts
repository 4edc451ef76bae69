import { CameraError, cameraCentre, sceneFocus, type Vec3, type View, viewDirection } from '@clipgstream/camera'
import { ArgumentError } from '@clipgstream/tensor'

/** Depths (z in the camera), world units. */
export interface DepthRange {
  readonly near: number
  readonly far: number
}

/** Points that a range of depths needs before they decide it. */
const enoughPoints = 20
/** Cameras without a common focus look at a scene that is this many times as far as their neighbours are apart. */
const baselinesToScene = 8

/**
 * Where the scene is along the optical axis of a view: the depth of the point that all axes pass closest to. Cameras that
 * look the same way have none; for them it is eight times the distance to the nearest other camera.
 */
export function focusDistance(views: readonly View[], which: number): number {
  const view = views[which]
  if (!view) throw new ArgumentError('focusDistance', 'which', which, `an index below ${views.length}`)
  const centre = cameraCentre(view)
  const baselines = views.map((other) => distanceBetween(centre, cameraCentre(other))).filter((length) => length > 0)
  const nearest = Math.min(...baselines)
  const focus = focusOf(views)
  if (focus) {
    const axis = viewDirection(view)
    const depth = axis.reduce((sum, value, i) => sum + value * ((focus[i] ?? 0) - (centre[i] ?? 0)), 0)
    if (depth > nearest && depth < 100 * nearest) return depth
  }
  if (!Number.isFinite(nearest))
    throw new ArgumentError(
      'focusDistance',
      'views',
      'cameras in one place',
      'at least two cameras in different places',
    )
  return baselinesToScene * nearest
}

/**
 * The depths between which a view is searched. With points // [N, 3] that it sees: from 0.7 times their 1 % quantile
 * to 1.5 times their 99 % quantile. Otherwise from 0.15 to 5 times the distance of the scene ({@link focusDistance}).
 */
export function depthRange(views: readonly View[], which: number, points?: Float32Array): DepthRange {
  const view = views[which]
  if (view && points) {
    const depths = depthsOf(view, points)
    if (depths.length >= enoughPoints) {
      const quantile = (q: number) => depths[Math.round(q * (depths.length - 1))] ?? 0
      return { near: 0.7 * quantile(0.01), far: 1.5 * quantile(0.99) }
    }
  }
  const distance = focusDistance(views, which)
  return { near: 0.15 * distance, far: 5 * distance }
}

/** Depths of the points that a view sees, ascending. */
function depthsOf(view: View, points: Float32Array): Float64Array {
  const m = view.worldToCamera
  const depths: number[] = []
  for (let i = 0; i + 2 < points.length; i += 3) {
    const [x, y, z] = [points[i]!, points[i + 1]!, points[i + 2]!]
    const row = (r: number) => (m[r] ?? 0) * x + (m[r + 1] ?? 0) * y + (m[r + 2] ?? 0) * z + (m[r + 3] ?? 0)
    const depth = row(8)
    if (!(depth > 0)) continue
    const u = (view.fx * row(0)) / depth + view.cx
    const v = (view.fy * row(4)) / depth + view.cy
    if (u >= 0 && v >= 0 && u <= view.width && v <= view.height) depths.push(depth)
  }
  return Float64Array.from(depths).sort()
}

function focusOf(views: readonly View[]): Vec3 | null {
  try {
    return sceneFocus(views)
  } catch (error) {
    if (error instanceof CameraError) return null
    throw error
  }
}

function distanceBetween(a: Vec3, b: Vec3): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])
}
