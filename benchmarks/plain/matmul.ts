// Products of row-major matrices in plain JavaScript. Four sums or four rows at a time, so that an element that was
// loaded is used four times; that is about what typed arrays give without SIMD.

/** c = a bT: c[i, j] = sum over p of a[i, p] b[j, p]. a // [n, k], b // [m, k], c // [n, m] */
export function timesTransposed(a: Float32Array, b: Float32Array, c: Float32Array, n: number, k: number): void {
  const m = b.length / k
  for (let i = 0; i < n; i++) {
    const row = i * k
    let j = 0
    for (; j + 4 <= m; j += 4) {
      let b0 = j * k
      let b1 = b0 + k
      let b2 = b1 + k
      let b3 = b2 + k
      let s0 = 0
      let s1 = 0
      let s2 = 0
      let s3 = 0
      for (let p = row; p < row + k; p++) {
        const value = a[p]!
        s0 += value * b[b0++]!
        s1 += value * b[b1++]!
        s2 += value * b[b2++]!
        s3 += value * b[b3++]!
      }
      c[i * m + j] = s0
      c[i * m + j + 1] = s1
      c[i * m + j + 2] = s2
      c[i * m + j + 3] = s3
    }
    for (; j < m; j++) {
      let sum = 0
      for (let p = 0; p < k; p++) sum += a[row + p]! * b[j * k + p]!
      c[i * m + j] = sum
    }
  }
}

/** c += a b. a // [n, k], b // [k, m], c // [n, m] */
export function addTimes(a: Float32Array, b: Float32Array, c: Float32Array, n: number, k: number): void {
  const m = b.length / k
  for (let i = 0; i < n; i++) {
    const out = i * m
    let p = 0
    for (; p + 4 <= k; p += 4) {
      const at = i * k + p
      const a0 = a[at]!
      const a1 = a[at + 1]!
      const a2 = a[at + 2]!
      const a3 = a[at + 3]!
      if (a0 === 0 && a1 === 0 && a2 === 0 && a3 === 0) continue
      const b0 = p * m
      for (let j = 0; j < m; j++) {
        const from = b0 + j
        c[out + j]! += a0 * b[from]! + a1 * b[from + m]! + a2 * b[from + 2 * m]! + a3 * b[from + 3 * m]!
      }
    }
    for (; p < k; p++) {
      const value = a[i * k + p]!
      for (let j = 0; j < m; j++) c[out + j]! += value * b[p * m + j]!
    }
  }
}

/** c += aT b: c[i, j] += sum over r of a[r, i] b[r, j]. a // [n, k], b // [n, m], c // [k, m] */
export function addTransposedTimes(a: Float32Array, b: Float32Array, c: Float32Array, n: number, k: number): void {
  const m = c.length / k
  let r = 0
  for (; r + 4 <= n; r += 4) {
    const row = r * m
    for (let i = 0; i < k; i++) {
      const at = r * k + i
      const a0 = a[at]!
      const a1 = a[at + k]!
      const a2 = a[at + 2 * k]!
      const a3 = a[at + 3 * k]!
      if (a0 === 0 && a1 === 0 && a2 === 0 && a3 === 0) continue
      const out = i * m
      for (let j = 0; j < m; j++) {
        const from = row + j
        c[out + j]! += a0 * b[from]! + a1 * b[from + m]! + a2 * b[from + 2 * m]! + a3 * b[from + 3 * m]!
      }
    }
  }
  for (; r < n; r++) {
    for (let i = 0; i < k; i++) {
      const value = a[r * k + i]!
      for (let j = 0; j < m; j++) c[i * m + j]! += value * b[r * m + j]!
    }
  }
}
