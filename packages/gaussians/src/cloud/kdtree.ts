const leafSize = 8

/**
 * A balanced k-d tree over points, with the tight box of every node.
 *
 * Nodes are numbered as in a heap (children of i are 2i + 1 and 2i + 2) and split their range of points in the middle of
 * the widest axis, by rank and not by value: coincident points do no harm. All leaves are on one level.
 */
export class KdTree {
  readonly size: number
  /** Points in tree order, [n] each. */
  readonly x: Float32Array
  readonly y: Float32Array
  readonly z: Float32Array
  /** order[i] is the index, in the input, of the point at tree position i. */
  readonly order: Uint32Array
  readonly firstLeaf: number
  /** Node i holds tree positions start[i] .. end[i]. */
  readonly start: Uint32Array
  readonly end: Uint32Array
  /** min x, y, z, max x, y, z of each node. */
  readonly boxes: Float32Array
  /** Scratch of a descent, one entry a level. */
  readonly pendingNodes = new Int32Array(64)
  readonly pendingBounds = new Float64Array(64)

  /** positions // [N, 3] finite */
  constructor(positions: Float32Array) {
    const n = Math.floor(positions.length / 3)
    this.size = n
    this.x = new Float32Array(n)
    this.y = new Float32Array(n)
    this.z = new Float32Array(n)
    this.order = new Uint32Array(n)
    for (let i = 0; i < n; i++) {
      this.x[i] = positions[3 * i]!
      this.y[i] = positions[3 * i + 1]!
      this.z[i] = positions[3 * i + 2]!
      this.order[i] = i
    }
    let leaves = 1
    while (leaves * leafSize < n) leaves *= 2
    this.firstLeaf = leaves - 1
    const nodes = 2 * leaves - 1
    this.start = new Uint32Array(nodes)
    this.end = new Uint32Array(nodes)
    this.boxes = new Float32Array(6 * nodes)
    this.end[0] = n
    for (let node = 0; node < nodes; node++) {
      const axis = this.#bound(node)
      if (node >= this.firstLeaf) continue
      const from = this.start[node]!
      const to = this.end[node]!
      const middle = (from + to) >>> 1
      this.#select(axis, from, to - 1, middle)
      this.start[2 * node + 1] = from
      this.end[2 * node + 1] = middle
      this.start[2 * node + 2] = middle
      this.end[2 * node + 2] = to
    }
  }

  /** Squared distance from a point to the box of `node`. */
  boxDistance(node: number, x: number, y: number, z: number): number {
    const boxes = this.boxes
    const at = 6 * node
    const dx = Math.max(boxes[at]! - x, 0, x - boxes[at + 3]!)
    const dy = Math.max(boxes[at + 1]! - y, 0, y - boxes[at + 4]!)
    const dz = Math.max(boxes[at + 2]! - z, 0, z - boxes[at + 5]!)
    return dx * dx + dy * dy + dz * dz
  }

  /**
   * The `found.length` points nearest to (x, y, z): squared distances, ascending, into `found` and their indices into
   * `indices`. Where there are fewer, Infinity is left. `exclude` is an index to pass over, or -1. Which of several
   * points at equal distance comes first is fixed by the input, but not specified.
   */
  nearest(x: number, y: number, z: number, exclude: number, found: Float64Array, indices: Uint32Array): void {
    const { firstLeaf, pendingNodes, pendingBounds, order } = this
    const last = found.length - 1
    found.fill(Number.POSITIVE_INFINITY)
    if (this.size === 0 || last < 0) return
    let depth = 0
    let node = 0
    for (;;) {
      while (node < firstLeaf) {
        const left = 2 * node + 1
        const a = this.boxDistance(left, x, y, z)
        const b = this.boxDistance(left + 1, x, y, z)
        const leftFirst = a <= b
        const far = leftFirst ? b : a
        if (far < found[last]!) {
          pendingNodes[depth] = leftFirst ? left + 1 : left
          pendingBounds[depth++] = far
        }
        node = leftFirst ? left : left + 1
      }
      const end = this.end[node]!
      for (let i = this.start[node]!; i < end; i++) {
        const dx = this.x[i]! - x
        const dy = this.y[i]! - y
        const dz = this.z[i]! - z
        const distance = dx * dx + dy * dy + dz * dz
        if (distance >= found[last]!) continue
        const index = order[i]!
        if (index === exclude) continue
        let slot = last
        for (; slot > 0 && found[slot - 1]! > distance; slot--) {
          found[slot] = found[slot - 1]!
          indices[slot] = indices[slot - 1]!
        }
        found[slot] = distance
        indices[slot] = index
      }
      do {
        if (depth === 0) return
        depth--
      } while (pendingBounds[depth]! >= found[last]!)
      node = pendingNodes[depth]!
    }
  }

  /** Stores the box of `node` and returns its widest axis. */
  #bound(node: number): 0 | 1 | 2 {
    const at = 6 * node
    let widest: 0 | 1 | 2 = 0
    let width = -1
    for (const axis of [0, 1, 2] as const) {
      const values = this.#axis(axis)
      let low = Number.POSITIVE_INFINITY
      let high = Number.NEGATIVE_INFINITY
      const end = this.end[node]!
      for (let i = this.start[node]!; i < end; i++) {
        const value = values[i]!
        if (value < low) low = value
        if (value > high) high = value
      }
      this.boxes[at + axis] = low
      this.boxes[at + 3 + axis] = high
      if (high - low > width) {
        width = high - low
        widest = axis
      }
    }
    return widest
  }

  #axis(axis: 0 | 1 | 2): Float32Array {
    return axis === 0 ? this.x : axis === 1 ? this.y : this.z
  }

  /** Quickselect: afterwards position `rank` holds what sorting low..high by `axis` would put there. */
  #select(axis: 0 | 1 | 2, low: number, high: number, rank: number): void {
    const { x, y, z, order } = this
    const keys = this.#axis(axis)
    let seed = 1
    while (low < high) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      const pivot = median(keys[low]!, keys[low + (seed % (high - low + 1))]!, keys[high]!)
      let i = low
      let j = high
      while (i <= j) {
        while (keys[i]! < pivot) i++
        while (keys[j]! > pivot) j--
        if (i > j) break
        const px = x[i]!
        const py = y[i]!
        const pz = z[i]!
        const index = order[i]!
        x[i] = x[j]!
        y[i] = y[j]!
        z[i] = z[j]!
        order[i] = order[j]!
        x[j] = px
        y[j] = py
        z[j] = pz
        order[j] = index
        i++
        j--
      }
      if (rank <= j) high = j
      else if (rank >= i) low = i
      else return
    }
  }
}

function median(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c))
}
