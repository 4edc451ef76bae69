import { ArgumentError, ShapeError } from '@clipgstream/tensor'

/** The number of points of a cloud of three finite coordinates each. */
export function countPoints(operator: string, name: string, positions: Float32Array): number {
  if (positions.length % 3 !== 0) throw new ShapeError(operator, name, ['*', 3], [positions.length])
  let bad = 0
  let first = -1
  for (let i = 0; i < positions.length; i++) {
    if (Number.isFinite(positions[i]!)) continue
    if (bad++ === 0) first = i
  }
  if (bad > 0) {
    throw new ArgumentError(
      operator,
      `${name}, point ${Math.floor(first / 3)}`,
      `${positions[first]} (${bad} such ${bad === 1 ? 'coordinate' : 'coordinates'})`,
      'finite; remove these points first',
    )
  }
  return positions.length / 3
}

export function checkPositive(operator: string, name: string, value: number): void {
  if (!(value > 0 && value < Number.POSITIVE_INFINITY))
    throw new ArgumentError(operator, name, value, 'a positive finite number')
}
