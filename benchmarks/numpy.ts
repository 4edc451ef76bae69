// The numbers of numpy's `default_rng(0)` and `default_rng(1)`: PCG64 (O'Neill 2014), XSL-RR output, with numpy's uniform
// doubles and its ziggurat for normals (Marsaglia and Tsang 2000). Normals agree to rounding of the tables.

/** State and increment as numpy seeds them, high word first. */
const seeds: Readonly<Record<0 | 1, readonly [string, string]>> = {
  0: ['1aa1b5345996452d09585eb7a69561e3', '418ddadb3af71a82588133bc447873a9'],
  1: ['9c5b484bfedb756c2a6e7d6f320fbc7e', '922af2da2645f895a19857b95740937b'],
}

export interface NumpyRandom {
  /** Uniform in [0, 1). */
  uniform(): number
  /** Standard normal. */
  normal(): number
}

export function numpyRandom(seed: 0 | 1): NumpyRandom {
  // Eight limbs of 16 bits, lowest first: their products and sums stay exact in doubles.
  const state = limbsOf(seeds[seed][0])
  const increment = limbsOf(seeds[seed][1])
  const next = new Float64Array(8)
  const out = { high: 0, low: 0 }

  const advance = () => {
    let carry = 0
    for (let i = 0; i < 8; i++) {
      let sum = carry + increment[i]!
      for (let j = 0; j <= i; j++) sum += state[j]! * multiplier[i - j]!
      carry = Math.floor(sum / 65536)
      next[i] = sum - carry * 65536
    }
    state.set(next)
    // The two halves of the state xor each other, rotated right by the highest six bits.
    const low = ((state[0]! ^ state[4]!) | ((state[1]! ^ state[5]!) << 16)) >>> 0
    const high = ((state[2]! ^ state[6]!) | ((state[3]! ^ state[7]!) << 16)) >>> 0
    const rotation = state[7]! >>> 10
    const [a, b] = rotation < 32 ? [low, high] : [high, low]
    const shift = rotation & 31
    out.low = shift === 0 ? a : ((a >>> shift) | (b << (32 - shift))) >>> 0
    out.high = shift === 0 ? b : ((b >>> shift) | (a << (32 - shift))) >>> 0
  }

  const uniform = () => {
    advance()
    return (out.high * 2 ** 21 + (out.low >>> 11)) / 2 ** 53
  }

  const normal = (): number => {
    for (;;) {
      advance()
      const strip = out.low & 255
      const negative = (out.low & 256) !== 0
      const magnitude = (out.high & 0x1fffffff) * 2 ** 23 + (out.low >>> 9)
      const x = magnitude * widths[strip]!
      if (magnitude < limits[strip]!) return negative ? -x : x
      if (strip === 0) {
        for (;;) {
          const xx = -Math.log1p(-uniform()) / tail
          const yy = -Math.log1p(-uniform())
          if (2 * yy > xx * xx) return Math.floor(magnitude / 256) % 2 === 1 ? -(tail + xx) : tail + xx
        }
      }
      const height = (heights[strip - 1]! - heights[strip]!) * uniform() + heights[strip]!
      if (height < Math.exp(-0.5 * x * x)) return negative ? -x : x
    }
  }

  return { uniform, normal }
}

function limbsOf(hex: string): Float64Array {
  return Float64Array.from({ length: 8 }, (_, i) => Number.parseInt(hex.slice(28 - 4 * i, 32 - 4 * i), 16))
}

const multiplier = limbsOf('2360ed051fc65da44385df649fccf645')

/** Where the tail of the ziggurat begins, and the area of a strip. */
const tail = 3.6541528853610088
const area = 0.004928673233974655
const limits = new Float64Array(256)
const widths = new Float64Array(256)
const heights = new Float64Array(256)
{
  const unit = 2 ** 52
  const height = (x: number) => Math.exp(-0.5 * x * x)
  const base = area / height(tail)
  limits[0] = Math.trunc((tail / base) * unit)
  widths[0] = base / unit
  widths[255] = tail / unit
  heights[0] = 1
  heights[255] = height(tail)
  let x = tail
  for (let i = 254; i >= 1; i--) {
    const outer = x
    x = Math.sqrt(-2 * Math.log(area / x + height(x)))
    limits[i + 1] = Math.trunc((x / outer) * unit)
    heights[i] = height(x)
    widths[i] = x / unit
  }
}
