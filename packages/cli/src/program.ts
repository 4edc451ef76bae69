import { presetNames } from '@clipgstream/trainer'
import { Command, Option } from 'commander'
import { addDataFlags } from './data.js'
import { addExportFlags } from './export-options.js'
import { collect, parseCount, parseDevice, parseDevices, parseIndices, parseSeed, parseSize } from './options.js'
import { addProcessFlags } from './process-options.js'
import { exitCodes } from './report.js'
import { createTerminal, type Terminal } from './terminal.js'

interface GlobalFlags {
  json?: boolean
}

type Action = (terminal: Terminal, ...args: never[]) => Promise<unknown>

/** The command line. Actions set the exit code; what they throw is the caller's to print. */
export function createProgram(version: string): Command {
  const program = new Command('clipgstream')
    .description('Long multi-view video to a 4D Gaussian scene, clip by clip')
    .version(version)
    .option('--json', 'one JSON object a line instead of text')
    .showHelpAfterError('(add --help for the options)')
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : exitCodes.commandLine))

  /** Loads an action only when it is called, so that --help and inspect start fast. */
  const run =
    (load: () => Promise<Action>) =>
    async (...args: unknown[]) => {
      const { json = false } = program.opts<GlobalFlags>()
      const action = await load()
      // The last argument is commander's own command object.
      const code = await action(createTerminal(json), ...(args.slice(0, -1) as never[]))
      if (typeof code === 'number') process.exitCode = code
    }
  const device = () =>
    new Option('--device <name>', 'auto, wasm, cuda, cuda:1 for the second GPU, or webgpu')
      .argParser(parseDevice)
      .default('auto')
  const threads = () =>
    new Option('--threads <n>', 'threads of the wasm device (default: all cores)').argParser(parseCount)
  const example = (command: Command, ...lines: string[]) =>
    command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ clipgstream ${line}`).join('\n')}`)

  example(
    program
      .command('doctor')
      .description('what this machine offers, what is missing and how to get it')
      .action(run(async () => (await import('./commands/doctor.js')).doctor)),
    'doctor',
  )

  example(
    addProcessFlags(
      program
        .command('process')
        .argument('<source>', 'folder of videos, image folders or another project’s recordings')
        .argument('<dataset>', 'folder to make the dataset in'),
    )
      .description(
        'make a dataset: frames, cameras, undistorted images, clouds; run again, it goes on where it stopped',
      )
      .addOption(device())
      .addOption(threads())
      .action(run(async () => (await import('./commands/process.js')).processCommand)),
    'process recordings/ data/scene                    # with a calibration beside the videos',
    'process recordings/ data/scene --calibrate colmap --frames 0-99',
    'process recordings/ data/scene --max-points 50000',
  )

  example(
    addDataFlags(
      program.command('inspect').argument('<dataset>', 'folder of a dataset, of recordings or of another capture'),
    )
      .description('what a dataset has, and what is wrong with it: look here before training')
      .option('--report <folder>', 'look at every image and the clouds, and write pages and pictures into this folder')
      .option('--quick', 'with --report: only what can be told without reading images and clouds')
      .action(run(async () => (await import('./commands/inspect.js')).inspect)),
    'inspect samples/court-mini',
    'inspect samples/court-mini --report reports/court     # then open reports/court/report.html',
    '--json inspect samples/court-mini',
  )

  example(
    addDataFlags(program.command('train').argument('<dataset>').argument('<run>', 'folder to write the clip stream to'))
      .description('train a clip stream: the reference clip, then the source clips')
      .addOption(new Option('--preset <name>', 'where the settings start').choices(presetNames))
      .option('--config <file>', 'JSON file of settings, over the preset')
      .option('--set <key=value>', 'a setting, over the file; may be repeated', collect)
      .option('--iterations <n>', 'steps of a clip', parseCount)
      .option('--clips <indices>', 'train only these clips, such as 0 or 1-3', parseIndices)
      .option('--seed <n>', 'seed of everything random', parseSeed)
      .option('--resume', 'go on from the last checkpoint, skip finished clips')
      .addOption(device())
      .addOption(
        new Option('--devices <names>', 'train source clips side by side, a process for each of these devices')
          .argParser(parseDevices)
          .conflicts('device'),
      )
      .addOption(threads())
      .action(run(async () => (await import('./commands/train.js')).trainCommand)),
    'train samples/court-mini runs/court --preset mini',
    'train DATASET runs/long --preset default --set grid.log2TableSize=19 --clips 0',
    'train DATASET runs/long --devices cuda:0,cuda:1',
    'train DATASET runs/long --resume',
  )

  example(
    program
      .command('render')
      .argument('<run>', 'folder of a clip stream')
      .description('draw views of a clip stream into <run>/test/renders/<view>/<frame>.png')
      .option('--views <which>', 'test, train, or camera names separated by commas', 'test')
      .addOption(new Option('--path <kind>', 'a moving camera instead').choices(['orbit', 'spiral', 'through']))
      .addOption(
        new Option('--camera-path <file>', 'the cameras of a camera_path.json (Blender, nerfstudio) instead').conflicts(
          ['path', 'steps'],
        ),
      )
      .option('--steps <n>', 'images of a path (default: the number of frames)', parseCount)
      .option('--frames <indices>', 'frames to draw, such as 0-19 or 7 (default: all trained)', parseIndices)
      .option('--out <folder>', 'where to write (default: <run>/test/renders, or train/renders)')
      .option('--fps-test', 'measure frames a second instead, and write nothing')
      .option(
        '--size <size>',
        'of the fps test; may be repeated (default: the views’, 1352x1014, 1920x1080)',
        parseSize,
      )
      .option(
        '--draws <n>',
        'images of each measurement of the fps test (default: 1000 on a GPU, 20 on wasm)',
        parseCount,
      )
      .addOption(device())
      .addOption(threads())
      .action(run(async () => (await import('./commands/render.js')).render)),
    'render runs/court',
    'render runs/court --path orbit --steps 120',
    'render runs/court --camera-path camera_path.json',
    'render runs/court --path orbit --frames 7 --steps 90     # frozen time',
    'render runs/court --fps-test --size 1920x1080 --device cuda',
  )

  example(
    program
      .command('eval')
      .argument('<run>')
      .argument('<dataset>', 'the dataset that the run was trained on')
      .description('compare rendered views with the dataset: CSV, JSON, and a report in HTML in <run>/test')
      .option(
        '--lpips-net <net>',
        'alex, squeeze or vgg; may be repeated (default: those whose weights are found)',
        collect,
      )
      .addOption(
        new Option(
          '--lpips-range <range>',
          'calibrated: inputs in [-1, 1]; original: in [0, 1], as the original has them',
        )
          .choices(['calibrated', 'original'])
          .default('calibrated'),
      )
      .option('--lpips-weights <file>', 'safetensors file of the net, or a folder of <net>.safetensors')
      .addOption(threads())
      .action(run(async () => (await import('./commands/eval.js')).evaluate)),
    'eval runs/court samples/court-mini',
    'eval runs/court samples/court-mini --lpips-net alex --lpips-range original     # column lpips-alex-01',
  )

  example(
    program
      .command('video')
      .argument('<run>')
      .description('encode every folder of <run>/test/renders as an MP4 in <run>/test/videos')
      .option('--rate <n>', 'frames a second', parseCount, 25)
      .option('--views <names>', 'only these, separated by commas', (text) => text.split(','))
      .action(run(async () => (await import('./commands/video.js')).video)),
    'video runs/court',
  )

  example(
    addExportFlags(program.command('export').argument('<run>'))
      .description('write the Gaussians of frames for other viewers, or a camera path for Blender')
      .addOption(device())
      .addOption(threads())
      .action(run(async () => (await import('./commands/export.js')).exportFrames)),
    'export runs/court --frames 0-9 --format spz',
    'export runs/court --path orbit --steps 120      # camera_path.json',
  )

  example(
    program
      .command('import')
      .argument('<history>', "the original's `history` folder: point/, decoder/, FDHash_*.pth")
      .argument('<run>', 'folder to write the clip stream to')
      .description('turn a checkpoint of the original into a clip stream')
      .option('--dataset <folder>', 'take cameras from this dataset, so that render knows views')
      .option('--clip-size <frames>', 'frames of a clip', parseCount, 10)
      .addOption(
        new Option(
          '--indexing <which>',
          'how the grids are hashed: wrapping (tiny-cuda-nn before June 2025), exact (later), auto (read off the tables)',
        )
          .choices(['auto', 'exact', 'wrapping'])
          .default('auto'),
      )
      .action(run(async () => (await import('./commands/import.js')).importCheckpoint)),
    'import output/history runs/imported --dataset DATASET',
  )

  example(
    program
      .command('lpips-weights')
      .argument('<net>', 'alex, squeeze or vgg')
      .argument('<files...>', "torchvision's backbone and the heads of LPIPS v0.1 (.pth), or their raw floats (.json)")
      .description('convert the official LPIPS weights for eval')
      .option('--out <folder>', 'where to put them (default: ~/.cache/clipgstream/lpips)')
      .action(run(async () => (await import('./commands/lpips-weights.js')).lpipsWeights)),
    'lpips-weights alex alexnet-owt-7be5be79.pth alex.pth',
  )
  return program
}
