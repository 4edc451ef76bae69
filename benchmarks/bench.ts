/** One figure: what was timed, its median, and how many times faster than each rival in the same run. */
export interface Row {
  what: string
  value: number
  unit: string
  /** Rival name to (time of the rival) / (time of ours), for equal work: above 1 we are faster. */
  ratios?: Record<string, number>
}

/** How often a benchmark runs its rivals. */
export interface Effort {
  rounds: number
  /** Rounds before those that count. */
  warmUp: number
}

export interface Benchmark {
  name: string
  /** What is measured, on which input. */
  description: string
  run(effort: Effort): Promise<Row[]>
}

export interface Timing {
  /** Milliseconds. */
  median: number
  min: number
  max: number
}

type Work = () => unknown | Promise<unknown>

/** What is timed, and what is done before each time without being timed. */
export interface Prepared {
  prepare: Work
  work: Work
}

/**
 * Times rivals in turns, so that what else the machine does hits all of them alike: each round runs every one of them
 * once, after a warm-up round or two.
 */
export async function compareTimes<Name extends string>(
  rivals: Record<Name, Work | Prepared>,
  { rounds = 7, warmUp = 2 }: Partial<Effort> = {},
): Promise<Record<Name, Timing>> {
  const names = Object.keys(rivals) as Name[]
  const times = new Map<Name, number[]>(names.map((name) => [name, []]))
  for (let round = -warmUp; round < rounds; round++) {
    for (const name of names) {
      const rival: Work | Prepared = rivals[name]
      const work = typeof rival === 'function' ? rival : rival.work
      if (typeof rival !== 'function') await rival.prepare()
      const started = performance.now()
      await work()
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

/** `effort` with at most `rounds` rounds, for work that takes seconds. */
export function atMost(rounds: number, effort: Effort): Effort {
  return { rounds: Math.min(rounds, effort.rounds), warmUp: Math.min(1, effort.warmUp) }
}
