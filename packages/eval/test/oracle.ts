// Every metric once more in float64, as plain as its formula.
import type { Image, LpipsWeights } from '@clipgstream/eval'

const c1 = 0.01 ** 2
const c2 = 0.03 ** 2

/** channel, y, x -> value in [0, 1] */
interface Grid {
  width: number
  height: number
  at(channel: number, y: number, x: number): number
}

const gridOf = ({ width, height, data }: Image): Grid => ({
  width,
  height,
  at: (channel, y, x) => data[(y * width + x) * 3 + channel]! / (data instanceof Uint8Array ? 255 : 1),
})

const window = Array.from({ length: 11 }, (_, i) =>
  Array.from({ length: 11 }, (_, j) => Math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5 ** 2))),
)
const total = window.flat().reduce((a, b) => a + b)

/** Similarity and contrast of the window around (y, x); zero outside of the image. */
function structureAt(
  a: Grid,
  b: Grid,
  channel: number,
  y: number,
  x: number,
): { similarity: number; contrast: number } {
  const sum = [0, 0, 0, 0, 0] as [number, number, number, number, number]
  for (let i = 0; i < 11; i++) {
    for (let j = 0; j < 11; j++) {
      const [row, column] = [y + i - 5, x + j - 5]
      if (row < 0 || column < 0 || row >= a.height || column >= a.width) continue
      const w = window[i]![j]! / total
      const [p, q] = [a.at(channel, row, column), b.at(channel, row, column)]
      sum[0] += w * p
      sum[1] += w * q
      sum[2] += w * p * p
      sum[3] += w * q * q
      sum[4] += w * p * q
    }
  }
  const [mp, mq] = sum
  const contrast = (2 * (sum[4] - mp * mq) + c2) / (sum[2] - mp ** 2 + sum[3] - mq ** 2 + c2)
  return { contrast, similarity: contrast * ((2 * mp * mq + c1) / (mp ** 2 + mq ** 2 + c1)) }
}

function meanStructure(a: Grid, b: Grid, margin: number): { similarity: number; contrast: number } {
  const sum = { similarity: 0, contrast: 0 }
  let count = 0
  for (let channel = 0; channel < 3; channel++) {
    for (let y = margin; y < a.height - margin; y++) {
      for (let x = margin; x < a.width - margin; x++) {
        const { similarity, contrast } = structureAt(a, b, channel, y, x)
        sum.similarity += similarity
        sum.contrast += contrast
        count++
      }
    }
  }
  return { similarity: sum.similarity / count, contrast: sum.contrast / count }
}

export function ssim(first: Image, second: Image): number {
  return meanStructure(gridOf(first), gridOf(second), 0).similarity
}

export function msSsim(first: Image, second: Image): number {
  let [a, b] = [gridOf(first), gridOf(second)]
  let product = 1
  for (const [scale, weight] of [0.0448, 0.2856, 0.3001, 0.2363, 0.1333].entries()) {
    const { similarity, contrast } = meanStructure(a, b, 5)
    product *= Math.max(0, scale === 4 ? similarity : contrast) ** weight
    a = halve(a)
    b = halve(b)
  }
  return product
}

function halve(grid: Grid): Grid {
  const [width, height] = [Math.floor(grid.width / 2), Math.floor(grid.height / 2)]
  const values = new Float64Array(3 * width * height)
  const at = (channel: number, y: number, x: number) => (channel * height + y) * width + x
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const corners = [0, 1].flatMap((i) => [0, 1].map((j) => grid.at(c, 2 * y + i, 2 * x + j)))
        values[at(c, y, x)] = corners.reduce((sum, value) => sum + value, 0) / 4
      }
    }
  }
  return { width, height, at: (c, y, x) => values[at(c, y, x)]! }
}

export function psnr(first: Image, second: Image, takes: (pixel: number) => boolean = () => true): number {
  const errors = [...first.data].flatMap((value, i) => {
    const unit = (image: Image) => (image.data instanceof Uint8Array ? 255 : 1)
    return takes(Math.floor(i / 3)) ? [(value / unit(first) - second.data[i]! / unit(second)) ** 2] : []
  })
  const mse = errors.reduce((sum, value) => sum + value, 0) / errors.length
  return 20 * Math.log10(1 / Math.sqrt(mse))
}

/** [channels][height][width] */
type Maps = number[][][]

/** torchvision's layers by their indices in `features`; taps behind the layers of LPIPS. */
const plans = {
  alex: 'c0:4:2 t p3 c3:1:2 t p3 c6:1:1 t c8:1:1 t c10:1:1 t',
  squeeze: 'c0:2:0 t p3u f3 f4 t p3u f6 f7 t p3u f9 t f10 t f11 t f12 t',
  vgg: 'c0:1:1 c2:1:1 t p2 c5:1:1 c7:1:1 t p2 c10:1:1 c12:1:1 c14:1:1 t p2 c17:1:1 c19:1:1 c21:1:1 t p2 c24:1:1 c26:1:1 c28:1:1 t',
} as const

export function lpips({ net, tensors }: LpipsWeights, first: Image, second: Image, range = [-1, 1]): number {
  const tensor = (name: string) => tensors.get(name)!
  const convolve = (input: Maps, name: string, stride: number, pad: number): Maps => {
    const { shape, data } = tensor(`${name}.weight`)
    const [outputs, inputs, rows, columns] = shape as [number, number, number, number]
    const height = Math.floor((input[0]!.length + 2 * pad - rows) / stride) + 1
    const width = Math.floor((input[0]![0]!.length + 2 * pad - columns) / stride) + 1
    return Array.from({ length: outputs }, (_, o) =>
      Array.from({ length: height }, (_, y) =>
        Array.from({ length: width }, (_, x) => {
          let sum = tensor(`${name}.bias`).data[o]!
          for (let i = 0; i < inputs; i++) {
            for (let r = 0; r < rows; r++) {
              const line = input[i]![y * stride + r - pad]
              if (!line) continue
              for (let c = 0; c < columns; c++) {
                sum += (line[x * stride + c - pad] ?? 0) * data[((o * inputs + i) * rows + r) * columns + c]!
              }
            }
          }
          return Math.max(0, sum)
        }),
      ),
    )
  }
  const pool = (input: Maps, size: number, up: boolean): Maps => {
    const extent = (n: number) => (up ? Math.ceil((n - size) / 2) : Math.floor((n - size) / 2)) + 1
    return input.map((map) =>
      Array.from({ length: extent(map.length) }, (_, y) =>
        Array.from({ length: extent(map[0]!.length) }, (_, x) =>
          Math.max(...map.slice(2 * y, 2 * y + size).flatMap((line) => line.slice(2 * x, 2 * x + size))),
        ),
      ),
    )
  }
  const enter = (image: Image): Maps =>
    [0, 1, 2].map((c) => {
      const grid = gridOf(image)
      const [shift, scale] = [[-0.03, -0.088, -0.188][c]!, [0.458, 0.448, 0.45][c]!]
      const value = (y: number, x: number) => range[0]! + (range[1]! - range[0]!) * grid.at(c, y, x)
      return Array.from({ length: grid.height }, (_, y) =>
        Array.from({ length: grid.width }, (_, x) => (value(y, x) - shift) / scale),
      )
    })
  let pair = [enter(first), enter(second)] as [Maps, Maps]
  let distance = 0
  let tap = 0
  for (const step of plans[net].split(' ')) {
    const [at, stride, pad] = step.slice(1).split(':').map(Number.parseFloat) as [number, number, number]
    const name = `features.${at}`
    if (step[0] === 't') {
      distance += compare(pair[0], pair[1], tensor(`lin${tap++}.model.1.weight`).data)
    } else {
      pair = pair.map((maps) => {
        if (step[0] === 'c') return convolve(maps, name, stride, pad)
        if (step[0] === 'p') return pool(maps, at, step.endsWith('u'))
        const squeezed = convolve(maps, `${name}.squeeze`, 1, 0)
        return [...convolve(squeezed, `${name}.expand1x1`, 1, 0), ...convolve(squeezed, `${name}.expand3x3`, 1, 1)]
      }) as [Maps, Maps]
    }
  }
  return distance
}

function compare(a: Maps, b: Maps, weights: Float32Array): number {
  const [height, width] = [a[0]!.length, a[0]![0]!.length]
  let sum = 0
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const norm = (maps: Maps) => Math.sqrt(maps.reduce((s, map) => s + map[y]![x]! ** 2, 0)) + 1e-10
      const [na, nb] = [norm(a), norm(b)]
      sum += a.reduce((s, map, c) => s + weights[c]! * (map[y]![x]! / na - b[c]![y]![x]! / nb) ** 2, 0)
    }
  }
  return sum / (height * width)
}
