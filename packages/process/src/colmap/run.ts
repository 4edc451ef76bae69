import { spawn } from 'node:child_process'
import { ColmapError, codeOf, type ProcessError } from '../errors.js'
import { spawnKept } from './keep.js'

export interface ColmapProgram {
  readonly path: string
  readonly version: string
  readonly cuda: boolean
  /** Whether a command knows an option. Names of options move from version to version. */
  knows(command: string, option: string): Promise<boolean>
  /** Runs a command; lines go to `onLine` as they are printed. */
  run(command: string, options: Readonly<Record<string, string | number>>, run: RunOptions): Promise<void>
}

export interface RunOptions {
  readonly cwd: string
  onLine(line: string): void
  readonly signal?: AbortSignal
}

const oldest = [3, 6] as const
const howToInstall =
  'install it (apt install colmap, brew install colmap, or https://colmap.github.io/install.html) so that it is on PATH, or name it with --colmap'

/** Finds COLMAP and asks it for its version. Throws a {@link ColmapError} that says how to get it. */
export async function findColmap(program = 'colmap'): Promise<ColmapProgram> {
  const help = await ask(program, ['-h'])
  const match = /COLMAP\s+(?:version\s+)?(\d+)\.(\d+)(\S*)/i.exec(help)
  if (!match) throw new ColmapError(`${program} is not COLMAP, or a broken one`, help.split('\n').slice(0, 5))
  const [major, minor] = [Number(match[1]), Number(match[2])]
  const version = `${major}.${minor}${match[3] ?? ''}`
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1]))
    throw new ColmapError(`${program} is COLMAP ${version}; version ${oldest.join('.')} or later is needed`)
  const known = new Map<string, Promise<string>>()
  return {
    path: program,
    version,
    cuda: /with CUDA/i.test(help) && !/without CUDA/i.test(help),
    async knows(command, option) {
      const asked = known.get(command) ?? ask(program, [command, '-h'])
      known.set(command, asked)
      return (await asked).includes(`--${option} `)
    },
    run: (command, options, run) => execute(program, command, options, run),
  }
}

function ask(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: quiet() })
    let text = ''
    child.stdout.on('data', (part) => {
      text += part
    })
    child.stderr.on('data', (part) => {
      text += part
    })
    child.on('error', (cause) => reject(notFound(program, cause)))
    child.on('close', () => resolve(text))
  })
}

async function execute(
  program: string,
  command: string,
  options: Readonly<Record<string, string | number>>,
  { cwd, onLine, signal }: RunOptions,
): Promise<void> {
  signal?.throwIfAborted()
  const args = [command, ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])]
  const child = spawnKept(program, args, cwd, quiet())
  signal?.addEventListener('abort', child.stop)
  const last: string[] = []
  let rest = ''
  const keep = (line: string) => {
    if (line.trim() === '') return
    last.push(line.trim())
    if (last.length > 12) last.shift()
    onLine(line.trim())
  }
  const take = (part: Buffer | string) => {
    const lines = (rest + part.toString()).split(/\r?\n/)
    rest = lines.pop() ?? ''
    for (const line of lines) keep(line)
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  try {
    const ending = await child.ended.catch((cause: unknown) => {
      throw notFound(program, cause)
    })
    keep(rest)
    signal?.throwIfAborted()
    if (ending.code !== 0) throw failure(command, ending.code, ending.signal, last)
  } finally {
    signal?.removeEventListener('abort', child.stop)
  }
}

function failure(command: string, code: number | null, killed: string | null, last: readonly string[]): ProcessError {
  const text = last.join('\n')
  if (/no space left|database or disk is full/i.test(text))
    return new ColmapError(`COLMAP ${command}: the disk is full`, last)
  if (killed === 'SIGKILL')
    return new ColmapError(
      `COLMAP ${command} was killed, most likely for want of memory; fewer or smaller images need less (--downscale)`,
      last,
    )
  const option = unknownOption(last)
  if (option)
    return new ColmapError(
      `COLMAP ${command} does not know the option ${option}; look at --colmap-set, or is it a version that is not supported?`,
      last,
    )
  const how = killed ? `was ended by ${killed}` : `failed with code ${code}`
  return new ColmapError(`COLMAP ${command} ${how}`, last)
}

/** The option that COLMAP says it does not know. */
export function unknownOption(output: readonly string[]): string | null {
  return /unrecogni[sz]ed option '?-*([\w.]+)/i.exec(output.join('\n'))?.[1] ?? null
}

function notFound(program: string, cause: unknown): ColmapError {
  if (codeOf(cause) === 'ENOENT')
    return new ColmapError(`COLMAP was not found (${program}); ${howToInstall}`, [], { cause })
  if (codeOf(cause) === 'EACCES') return new ColmapError(`${program} may not be run`, [], { cause })
  return new ColmapError(`COLMAP (${program}) cannot be started`, [], { cause })
}

/** Without a screen Qt needs to be told so. */
function quiet(): NodeJS.ProcessEnv {
  return process.env['DISPLAY'] ? process.env : { ...process.env, QT_QPA_PLATFORM: 'offscreen' }
}
