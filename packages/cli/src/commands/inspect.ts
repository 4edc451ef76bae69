import { formatInspection, inspectDataset } from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import { type DataFlags, datasetOptions } from '../data.js'
import type { Terminal } from '../terminal.js'

/** Says what a dataset has and what is wrong with it; 1 when it cannot be used. */
export async function inspect(terminal: Terminal, path: string, flags: DataFlags): Promise<number> {
  const report = await inspectDataset(nodeFolder(path), datasetOptions(flags))
  terminal.event({ type: 'inspection', ...report })
  terminal.line(formatInspection(report))
  return report.usable ? 0 : 1
}
