/** One figure: what was timed, its median, and how many times faster than each rival in the same run. */
export interface Row {
  what: string
  value: number
  unit: string
  /** Rival name to (time of the rival) / (time of ours): above 1 we are faster. */
  ratios?: Record<string, number>
}

export interface Benchmark {
  name: string
  /** What is measured, on which input. */
  description: string
  run(): Promise<Row[]>
}

export interface Timing {
  /** Milliseconds. */
  median: number
  min: number
  max: number
}

type Work = () => unknown | Promise<unknown>

/**
 * Times rivals in turns, so that what else the machine does hits all of them alike: each round runs every one of them
 * once, after a warm-up round or two.
 */
export async function compareTimes<Name extends string>(
  rivals: Record<Name, Work>,
  { rounds = 7, warmUp = 2 }: { rounds?: number; warmUp?: number } = {},
): Promise<Record<Name, Timing>> {
  const names = Object.keys(rivals) as Name[]
  const times = new Map<Name, number[]>(names.map((name) => [name, []]))
  for (let round = -warmUp; round < rounds; round++) {
    for (const name of names) {
      const started = performance.now()
      await rivals[name]()
      if (round >= 0) times.get(name)?.push(performance.now() - started)
    }
  }
  const result = {} as Record<Name, Timing>
  for (const [name, all] of times) {
    all.sort((a, b) => a - b)
    result[name] = {
      median: all[all.length >> 1] ?? Number.NaN,
      min: all[0] ?? Number.NaN,
      max: all.at(-1) ?? Number.NaN,
    }
  }
  return result
}
