import { parsePlyHeader } from './header.js'

/** The number of points that the header of a PLY file promises, 0 without an element `vertex`. */
export function countVertices(head: Uint8Array, file = 'ply'): number {
  return parsePlyHeader(head, file).elements.find(({ name }) => name === 'vertex')?.count ?? 0
}
