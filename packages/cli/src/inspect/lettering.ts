// Letters of strokes, so that labels need no font of the system. Points are xy on a grid of 5 columns and 7 rows, 0 at the
// top left, rows 7 and 8 below the line; strokes are apart by `/`.
const strokes: Readonly<Record<string, string>> = {
  A: '06 02 20 42 46/04 44',
  B: '06 00 30 41 42 33 03/33 44 45 36 06',
  C: '41 30 10 01 05 16 36 45',
  D: '00 06 26 44 42 20 00',
  E: '40 00 06 46/03 33',
  F: '40 00 06/03 33',
  G: '41 30 10 01 05 16 36 45 43 23',
  H: '00 06/40 46/03 43',
  I: '10 30/20 26/16 36',
  J: '40 45 36 16 05',
  K: '00 06/40 03 46',
  L: '00 06 46',
  M: '06 00 23 40 46',
  N: '06 00 46 40',
  O: '10 30 41 45 36 16 05 01 10',
  P: '06 00 30 41 42 33 03',
  Q: '10 30 41 45 36 16 05 01 10/24 46',
  R: '06 00 30 41 42 33 03/23 46',
  S: '41 30 10 01 02 13 33 44 45 36 16 05',
  T: '00 40/20 26',
  U: '00 05 16 36 45 40',
  V: '00 26 40',
  W: '00 16 23 36 40',
  X: '00 46/40 06',
  Y: '00 23 40/23 26',
  Z: '00 40 06 46',
  a: '12 32 43 46 16 05 14 44',
  b: '00 06 36 45 43 32 02',
  c: '42 12 03 05 16 46',
  d: '40 46 16 05 03 12 42',
  e: '04 44 43 32 12 03 05 16 46',
  f: '40 30 21 26/02 42',
  g: '42 12 03 04 15 45/42 47 38 08',
  h: '00 06/03 12 32 43 46',
  i: '22 26/20 20',
  j: '32 37 28 08/30 30',
  k: '00 06/42 04 46',
  l: '10 20 26 36',
  m: '06 02 12 23 26/23 32 43 46',
  n: '06 02/03 12 32 43 46',
  o: '12 32 43 45 36 16 05 03 12',
  p: '08 02 32 43 45 36 06',
  q: '48 42 12 03 05 16 46',
  r: '06 02/04 22 42',
  s: '42 12 03 14 34 45 36 06',
  t: '20 25 36 46/02 42',
  u: '02 05 16 36 45/42 46',
  v: '02 26 42',
  w: '02 16 24 36 42',
  x: '02 46/42 06',
  y: '02 24/42 18 08',
  z: '02 42 06 46',
  0: '10 30 41 45 36 16 05 01 10/32 14',
  1: '11 20 26/16 36',
  2: '01 10 30 41 42 06 46',
  3: '01 10 30 41 42 33 44 45 36 16 05/13 33',
  4: '36 30 04 44',
  5: '40 00 03 33 44 45 36 06',
  6: '30 10 01 05 16 36 45 44 33 03',
  7: '00 40 16',
  8: '13 02 01 10 30 41 42 33 13 04 05 16 36 45 44 33',
  9: '16 36 45 41 30 10 01 02 13 43',
  '-': '13 33',
  _: '06 46',
  '.': '26 26',
  ',': '26 17',
  ':': '22 22/25 25',
  '/': '06 40',
  '+': '03 43/21 25',
  '=': '02 42/04 44',
  '%': '06 40/01 01/45 45',
  '(': '30 21 25 36',
  ')': '10 21 25 16',
  '#': '10 16/30 36/02 42/04 44',
}

/** Columns from a letter to the next, and rows of a line of text. */
export const letterWidth = 6
export const lineHeight = 11

/** Calls `dot` for every pixel of a text whose upper left corner is at (x, y); letters that are not known are boxes. */
export function writeText(text: string, x: number, y: number, dot: (x: number, y: number) => void): void {
  for (const [i, letter] of [...text].entries()) {
    if (letter === ' ') continue
    for (const stroke of (strokes[letter] ?? '00 40 46 06 00').split('/')) {
      const points = stroke.split(' ').map((pair) => [Number(pair[0]), Number(pair[1])] as const)
      for (let p = 0; p + 1 < points.length; p++) {
        const [from = [0, 0], to = [0, 0]] = points.slice(p, p + 2)
        const steps = Math.max(1, Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]))
        for (let step = 0; step <= steps; step++) {
          const at = (axis: 0 | 1) => Math.round(from[axis] + ((to[axis] - from[axis]) * step) / steps)
          dot(x + i * letterWidth + at(0), y + at(1))
        }
      }
    }
  }
}
