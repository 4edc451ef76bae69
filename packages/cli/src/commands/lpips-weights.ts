import { lpipsNets } from '@clipgstream/eval'
import { installLpipsWeights } from '@clipgstream/eval/node'
import { CommandError } from '../command-error.js'
import type { Terminal } from '../terminal.js'

/** Converts the official files of a net and puts the result where `eval` looks for it. */
export async function lpipsWeights(
  terminal: Terminal,
  name: string,
  files: string[],
  { out }: { out?: string },
): Promise<void> {
  const net = lpipsNets.find((known) => known === name)
  if (!net) throw new CommandError(`there is no net ${name}; take one of ${lpipsNets.join(', ')}`)
  const path = await installLpipsWeights(net, files, out)
  terminal.line(path)
  terminal.event({ type: 'lpips-weights', net, path })
}
