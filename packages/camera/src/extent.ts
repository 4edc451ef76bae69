import { CameraError } from './errors.js'
import { cameraCentre, viewDirection, viewUp } from './pose.js'
import { add, direction, dot, length, mean, scale, subtract, type Vec3 } from './vector.js'
import type { View } from './view.js'

/** How large the scene is for the learning rates: 1.1 times the largest distance of a camera from the mean of all. */
export function sceneExtent(views: readonly View[]): { centre: Vec3; radius: number } {
  if (!views.length) throw new CameraError('the scene extent needs at least one view, got none')
  const centres = views.map(cameraCentre)
  const centre = mean(centres)
  return { centre, radius: 1.1 * Math.max(...centres.map((c) => length(subtract(c, centre)))) }
}

/** What cameras around a scene say of it. */
export interface SceneFrame {
  /** The point nearest to all optical axes, in the sense of least squares. */
  readonly focus: Vec3
  /** Unit vector: the mean of the directions that are up in the pictures. */
  readonly up: Vec3
}

/** The point that all optical axes pass closest to. Throws a {@link CameraError} when they are parallel. */
export function sceneFocus(views: readonly View[]): Vec3 {
  // Sum of (I - d d^T) (p - c) = 0 over the axes: three equations for p.
  const a = [0, 0, 0, 0, 0, 0, 0, 0, 0]
  const b = [0, 0, 0]
  for (const view of views) {
    const d = viewDirection(view)
    const c = cameraCentre(view)
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) {
        const entry = ((i === j ? 1 : 0) - d[i]! * d[j]!) / views.length
        a[3 * i + j]! += entry
        b[i]! += entry * c[j]!
      }
    }
  }
  const column = (j: number): Vec3 => [a[j]!, a[3 + j]!, a[6 + j]!]
  const rhs: Vec3 = [b[0]!, b[1]!, b[2]!]
  const determinant = triple(column(0), column(1), column(2))
  // For two axes at angle t it is about sin(t)^2 / 4.
  if (!(determinant > 1e-8)) {
    throw new CameraError('the optical axes are parallel or fewer than two, so they have no common focus; pass one')
  }
  return [
    triple(rhs, column(1), column(2)) / determinant,
    triple(column(0), rhs, column(2)) / determinant,
    triple(column(0), column(1), rhs) / determinant,
  ]
}

/** The mean up direction of the pictures. Throws a {@link CameraError} when they cancel. */
export function sceneUp(views: readonly View[]): Vec3 {
  const sum = scale(views.map(viewUp).reduce(add, [0, 0, 0]), 1 / Math.max(1, views.length))
  const up = direction(sum)
  if (!up || length(sum) < 1e-3) throw new CameraError('the cameras have no common up direction; pass one')
  return up
}

/** Both of the above. */
export function sceneFrame(views: readonly View[]): SceneFrame {
  return { focus: sceneFocus(views), up: sceneUp(views) }
}

function triple(a: Vec3, b: Vec3, c: Vec3): number {
  return dot(a, [b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0]])
}
