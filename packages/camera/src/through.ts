import { CameraError } from './errors.js'
import { type CameraPath, clampUnit } from './paths.js'
import { cameraCentre, placed, poseOf } from './pose.js'
import { quaternionToMatrix, slerp } from './rotation.js'
import { add, length, mix, scale, subtract, type Vec3 } from './vector.js'
import { scaleView, type View } from './view.js'

export interface ThroughOptions {
  /** Return to the first camera. Default false. */
  closed?: boolean
  /**
   * `spline` (default): centres on a centripetal Catmull-Rom curve, at an even pace in u from camera to camera.
   * `ease`: straight between cameras, slower near each, as in the videos of the original implementation: world-to-camera
   * translations are mixed with weight (1 + sin((k - 1/2) pi)) / 2, k the position between two cameras.
   */
  mode?: 'spline' | 'ease'
}

/**
 * A path through given cameras in their order; rotations are slerped, intrinsics mixed. Every view has the image size of
 * the first. The path takes equal parts of u for the way between any two neighbours.
 */
export function throughPath(
  views: readonly View[],
  { closed = false, mode = 'spline' }: ThroughOptions = {},
): CameraPath {
  const first = views[0]
  if (!first || views.length < 2)
    throw new CameraError(`a path through cameras needs at least two, got ${views.length}`)
  const stops = views.map((view) => {
    const sized = scaleView(view, first.width, first.height)
    return { view: sized, centre: cameraCentre(sized), ...poseOf(sized) }
  })
  const legs = closed ? stops.length : stops.length - 1
  const stop = (i: number) => stops[closed ? (i + stops.length) % stops.length : i]

  return (u) => {
    const position = clampUnit(u) * legs
    const leg = Math.min(legs - 1, Math.floor(position))
    const from = stop(leg)!
    const to = stop(leg + 1)!
    const linear = position - leg
    const t = mode === 'ease' ? 0.5 + 0.5 * Math.sin((linear - 0.5) * Math.PI) : linear
    const rotation = quaternionToMatrix(slerp(from.qvec, to.qvec, t))
    const blend = (key: 'fx' | 'fy' | 'cx' | 'cy') => from.view[key] * (1 - t) + to.view[key] * t
    const intrinsics = { fx: blend('fx'), fy: blend('fy'), cx: blend('cx'), cy: blend('cy') }
    const { width, height } = first
    if (mode === 'ease') {
      const translation = mix(from.tvec, to.tvec, t)
      return { width, height, ...intrinsics, worldToCamera: rotation.flatMap((row, i) => [...row, translation[i]!]) }
    }
    const centre = catmullRom(stop(leg - 1)?.centre, from.centre, to.centre, stop(leg + 2)?.centre, t)
    return { width, height, ...intrinsics, ...placed(rotation, centre) }
  }
}

/**
 * The point at t between b and c (Barry and Goldman 1988, knots at square roots of the distances). A missing or
 * coinciding outer point is mirrored.
 */
function catmullRom(a: Vec3 | undefined, b: Vec3, c: Vec3, d: Vec3 | undefined, t: number): Vec3 {
  const middle = Math.sqrt(length(subtract(c, b)))
  if (middle === 0) return b
  const before = a && length(subtract(b, a)) > 0 ? a : subtract(scale(b, 2), c)
  const after = d && length(subtract(d, c)) > 0 ? d : subtract(scale(c, 2), b)
  const t0 = -Math.sqrt(length(subtract(b, before)))
  const t3 = middle + Math.sqrt(length(subtract(after, c)))
  const at = t * middle
  const lerp = (p: Vec3, q: Vec3, from: number, to: number) =>
    add(scale(p, (to - at) / (to - from)), scale(q, (at - from) / (to - from)))
  const p = lerp(before, b, t0, 0)
  const q = lerp(b, c, 0, middle)
  const r = lerp(c, after, middle, t3)
  return lerp(lerp(p, q, t0, middle), lerp(q, r, 0, t3), 0, middle)
}
