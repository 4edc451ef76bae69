import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fixture } from '../tools/fixtures.js'
import type { Benchmark, Row } from './bench.js'

/** What a child that trained tells. */
export interface MemoryReport {
  /** Largest resident set of the process in bytes. */
  maxRss: number
  /** Peak of the device during each clip, in bytes. */
  devicePeaks: number[]
  /** Of each clip. */
  anchors: number[]
}

const steps = 8
const clips = [0, 1, 2]
const megabyte = 2 ** 20

export const benchmark: Benchmark = {
  name: 'memory',
  description:
    'Peak resident memory of one process that trains 3 clips against processes that train one of them each: ' +
    `panoptic-basketball at a quarter of its size, mini preset, ${steps} steps a clip, photographs and clips from disk and ` +
    'back; medians of processes in turns. A source clip has more anchors than the reference clip, so that it takes more ' +
    'alone, too; three clips are to take as much as the largest of them, within 10 %.',
  async run({ rounds }) {
    const path = fixture('datasets/panoptic-basketball')
    if (!path) return []
    const together: MemoryReport[] = []
    const alone: MemoryReport[][] = clips.map(() => [])
    for (let i = 0; i < Math.min(rounds, 3); i++) {
      together.push(...(await trainInChildren(path, [clips])))
      const reports = await trainInChildren(
        path,
        clips.map((clip) => [clip]),
      )
      for (const [clip, report] of reports.entries()) alone[clip]?.push(report)
    }
    const three = middle(together)
    const ones = alone.map(middle)
    const largest = Math.max(...ones.map(({ maxRss }) => maxRss))
    return [
      ...ones.flatMap((report, clip) => rowsOf(`clip ${clip} alone (${report.anchors[0]} anchors)`, report)),
      ...rowsOf('3 clips in one process', three),
      { what: 'resident: 3 clips more than the largest alone', value: 100 * (three.maxRss / largest - 1), unit: '%' },
    ]
  },
}

function rowsOf(what: string, { maxRss, devicePeaks }: MemoryReport): Row[] {
  return [
    { what: `${what}: resident, at most`, value: maxRss / megabyte, unit: 'MiB' },
    { what: `${what}: on the device, at most`, value: Math.max(...devicePeaks) / megabyte, unit: 'MiB' },
  ]
}

function middle(reports: MemoryReport[]): MemoryReport {
  const report = reports.sort((a, b) => a.maxRss - b.maxRss)[reports.length >> 1]
  if (!report) throw new Error('nothing was measured')
  return report
}

/** One process after another on the same run, which is thrown away; each trains some clips. */
async function trainInChildren(path: string, clipsOfChildren: number[][]): Promise<MemoryReport[]> {
  const folder = await mkdtemp(join(tmpdir(), 'clipgstream-memory-'))
  try {
    const reports: MemoryReport[] = []
    for (const some of clipsOfChildren) reports.push(await trainInChild(path, folder, some))
    return reports
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function trainInChild(path: string, folder: string, some: number[]): Promise<MemoryReport> {
  return new Promise((resolve, reject) => {
    const script = fileURLToPath(new URL('memory-child.ts', import.meta.url))
    let report: MemoryReport | undefined
    const child = fork(script, [path, folder, String(steps), ...some.map(String)])
    child.on('message', (message) => {
      report = message as MemoryReport
    })
    child.on('error', reject)
    child.on('exit', (code) => {
      if (code === 0 && report) resolve(report)
      else reject(new Error(`the process that trained clips ${some.join(', ')} ended with ${code}`))
    })
  })
}
