import { rotationOf, type View } from '@clipgstream/camera'

// How places in one image map to another, in coordinates of the arrays: pixel (i, j) is the point (i, j).

type Rows = readonly (readonly number[])[]

/** R // [3][3] and t // [3] from the camera of `from` to that of `to`. */
function between(from: View, to: View): { rotation: number[][]; translation: number[] } {
  const [a, b] = [rotationOf(from), rotationOf(to)]
  const rotation = b.map((row) => a.map((other) => dot(row, other)))
  const shift = (view: View) => [view.worldToCamera[3] ?? 0, view.worldToCamera[7] ?? 0, view.worldToCamera[11] ?? 0]
  const [ta, tb] = [shift(from), shift(to)]
  return { rotation, translation: tb.map((value, i) => value - dot(rotation[i] ?? [], ta)) }
}

/**
 * Twelve numbers, rows of [A | b]: a pixel (x, y) of `from` at inverse depth rho is, in `to`, at (u / w, v / w) with
 * (u, v, w) = A (x, y, 1) + b rho. rho / w is its inverse depth there; w > 0 in front of the camera.
 */
export function transferMatrix(from: View, to: View): number[] {
  const { rotation, translation } = between(from, to)
  const intoPixels: Rows = [
    [to.fx, 0, to.cx - 0.5],
    [0, to.fy, to.cy - 0.5],
    [0, 0, 1],
  ]
  const ofPixels: Rows = [
    [1 / from.fx, 0, (0.5 - from.cx) / from.fx],
    [0, 1 / from.fy, (0.5 - from.cy) / from.fy],
    [0, 0, 1],
  ]
  const a = product(product(intoPixels, rotation), ofPixels)
  return a.flatMap((row, i) => [...row, dot(intoPixels[i] ?? [], translation)])
}

/** Forty numbers for the check of consistency: there, back, the rotation back, fx, fy, cx, cy of the other, padding. */
export function pairRow(reference: View, other: View): number[] {
  const { rotation } = between(other, reference)
  const { fx, fy, cx, cy } = other
  const back = transferMatrix(other, reference)
  return [...transferMatrix(reference, other), ...back, ...rotation.flat(), fx, fy, cx, cy, 0, 0, 0]
}

function product(a: Rows, b: Rows): number[][] {
  return a.map((row) => [0, 1, 2].map((j) => row.reduce((sum, value, k) => sum + value * (b[k]?.[j] ?? 0), 0)))
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0)
}
