import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createEvaluation,
  formatColors,
  formatTable,
  type LpipsNet,
  type LpipsRange,
  lpipsNets,
} from '@clipgstream/eval'
import { loadLpips, writeEvaluation } from '@clipgstream/eval/node'
import { createImageStore, type Dataset, loadMask, openDataset } from '@clipgstream/io'
import { createNodeDecoder, nodeFolder } from '@clipgstream/io/node'
import { selectDevice } from '@clipgstream/tensor'
import { datasetOptions, readManifest } from '@clipgstream/trainer'
import { CommandError } from '../command-error.js'
import type { Terminal } from '../terminal.js'

interface EvalFlags {
  lpipsNet?: readonly string[]
  lpipsRange: LpipsRange
  lpipsWeights?: string
  threads?: number
}

/** Measures `<run>/test/renders/<camera>/<frame>.png` against the dataset's images of the same camera and frame. */
export async function evaluate(terminal: Terminal, runPath: string, path: string, flags: EvalFlags): Promise<void> {
  const manifest = await readManifest(nodeFolder(runPath))
  if (!manifest) throw new CommandError(`${runPath} has no clipstream.json; train a clip stream first`)
  const first = Math.min(...manifest.clips.map(({ start }) => start))
  const end = Math.max(...manifest.clips.map((clip) => clip.end))
  const dataset = await openDataset(nodeFolder(path), { ...datasetOptions(manifest.config), frames: [first, end] })
  const renders = join(runPath, 'test', 'renders')
  const shots = await findRenders(renders, dataset)

  const threads = flags.threads ? { threads: flags.threads } : {}
  using device = await selectDevice('wasm', threads)
  const nets = await loadLpips(device, {
    ...(flags.lpipsNet && { nets: flags.lpipsNet.map(netCalled) }),
    range: flags.lpipsRange,
    ...(flags.lpipsWeights !== undefined && { weights: flags.lpipsWeights }),
  })
  const clips = manifest.clips.map(({ index, start, end }) => ({ index, first: start, count: end - start }))
  const evaluation = createEvaluation({ clips, nets })
  const decoder = createNodeDecoder()
  const images = createImageStore(dataset, decoder)
  const vfs = nodeFolder(renders)
  const progress = terminal.progress('eval', shots.length)
  for (const [done, { camera, name, frame, file }] of shots.entries()) {
    const render = await decoder.decode(await vfs.read(file), file)
    const mask = await loadMask(dataset, decoder, { camera, frame })
    const row = await evaluation.add(name, frame, render, await images.get(camera, frame), mask?.data)
    terminal.event({ type: 'frame', ...row })
    progress.update(done + 1, `${name} ${frame}`)
  }
  progress.stop()
  const written = await writeEvaluation(join(runPath, 'test'), evaluation, { title: runPath, clips })
  const summary = evaluation.summary()
  for (const net of nets) if (Symbol.dispose in net) net[Symbol.dispose]()
  terminal.line(formatTable(summary))
  terminal.line(`\nColour maps behind psnr_fitted\n${formatColors(summary)}`)
  terminal.line(`\n${written.html}\n${written.json}\n${written.csv.join('\n')}`)
  terminal.event({ type: 'evaluation', average: summary.average, colors: summary.colors, written })
}

interface Shot {
  camera: number
  name: string
  frame: number
  /** Relative to the folder of renders. */
  file: string
}

/** Renders of known cameras, by camera and ascending frame; other folders, such as paths, have no ground truth. */
async function findRenders(folder: string, dataset: Dataset): Promise<Shot[]> {
  const shots: Shot[] = []
  for (const { index, name } of dataset.cameras) {
    const files = await readdir(join(folder, name)).catch(() => [])
    for (const file of files.filter((known) => /^\d{5,}\.png$/.test(known)).sort()) {
      const frame = Number.parseInt(file, 10)
      if (dataset.imagePath(index, frame) === null) {
        throw new CommandError(
          `${join(folder, name, file)}: the dataset has no image of camera ${name} at frame ${frame}`,
        )
      }
      shots.push({ camera: index, name, frame, file: `${name}/${file}` })
    }
  }
  if (shots.length === 0) {
    throw new CommandError(`${folder} has no rendered views of the dataset's cameras; run clipgstream render first`)
  }
  return shots
}

function netCalled(name: string): LpipsNet {
  const net = lpipsNets.find((known) => known === name)
  if (!net) throw new CommandError(`--lpips-net: there is no net ${name}; take one of ${lpipsNets.join(', ')}`)
  return net
}
