import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { removeLeftovers, writeAtomic } from '@clipgstream/io/node'
import { codeOf, DiskFullError, ProcessError } from '../errors.js'
import type { Report, StepName } from '../types.js'
import { lockFolder } from './lock.js'

/** Changes when a step would write something else from the same inputs. */
export const recordVersion = 1

/** Where steps keep what is not part of the dataset. */
export const workFolder = '.process'

/** What a step left behind about itself, in `.process/NAME.json`. */
interface StepRecord {
  readonly version: number
  /** Told apart from that of every other run of this step; later steps name it among their inputs. */
  readonly id: string
  readonly state: 'started' | 'done'
  readonly inputs: unknown
  readonly files?: readonly (readonly [path: string, size: number])[]
  readonly seconds?: number
}

/** What the steps of one run share. */
export interface Workspace {
  /** Folder of the dataset. */
  readonly folder: string
  readonly report: Report
  readonly force: ReadonlySet<StepName>
  readonly signal?: AbortSignal
  /** Lets other processes into the folder. */
  release(): Promise<void>
  /** Writes a file below the folder, whole or not at all. */
  write(path: string, content: Uint8Array | string): Promise<void>
}

export interface Step {
  readonly name: StepName
  /** Everything that its outputs depend on; plain JSON. */
  readonly inputs: unknown
  /** Files that it makes, below the dataset's folder. */
  readonly outputs: readonly string[]
  /** Throws where there is work that cannot be done; called before anything is removed. */
  prepare?(): Promise<void>
  /** Removes what an earlier run with other inputs made. */
  clear(): Promise<void>
  /** Makes the outputs that are not there. */
  work(missing: readonly string[]): Promise<void>
}

/**
 * Opens the folder of a dataset that is to be made, for this process alone. It must be new, empty or made by this tool. What
 * killed writers left is removed.
 */
export async function openWorkspace(
  folder: string,
  report: Report,
  force: readonly StepName[] = [],
  signal?: AbortSignal,
): Promise<Workspace> {
  await mkdir(folder, { recursive: true })
  const names = await readdir(folder)
  if (names.length > 0 && !names.includes(workFolder))
    throw new ProcessError(
      `${folder} is not empty and was not made by process (it has ${names.slice(0, 3).join(', ')}); choose another folder`,
    )
  // Not recursive, which says of a disk that cannot be written that there is no folder.
  if (!names.includes(workFolder)) await guardDisk(workFolder, folder, () => mkdir(join(folder, workFolder)))
  const lock = join(folder, workFolder, 'running')
  const release = await guardDisk(lock, folder, () => lockFolder(lock, folder))
  await removeLeftovers(folder)
  return {
    ...{ folder, report, force: new Set(force), release },
    ...(signal && { signal }),
    write: (path, content) => guardDisk(path, folder, () => writeAtomic(join(folder, path), content)),
  }
}

/** Says it in a sentence when the disk is full. */
export async function guardDisk<T>(path: string, folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    const code = codeOf(cause)
    const stays = 'What is complete stays: free some space and run the same command again'
    if (code === 'EFBIG')
      throw new DiskFullError(
        `${path} in ${folder} would be larger than a file may be there (see ulimit -f). ${stays}`,
        { cause },
      )
    // Node calls a folder that finds no room in a folder that was not found.
    const full = code === 'ENOSPC' || code === 'EDQUOT' || (code === 'ENOENT' && (await holdsNoFile(folder)))
    if (!full) throw cause
    throw new DiskFullError(
      `the disk of ${folder} is full, of bytes or of files; ${path} could not be written. ${stays}`,
      { cause },
    )
  }
}

async function holdsNoFile(folder: string): Promise<boolean> {
  const { bavail, files, ffree } = await statfs(folder)
  return bavail === 0 || (files > 0 && ffree === 0)
}

/** Runs a step unless its outputs are complete and current. Returns the id of the run that made them. */
export async function runStep(workspace: Workspace, step: Step): Promise<string> {
  const { name } = step
  const at = (path: string) => join(workspace.folder, path)
  const recordPath = `${workFolder}/${name}.json`
  // As it will be read back.
  const inputs: unknown = JSON.parse(JSON.stringify(step.inputs))
  const old = await readRecord(at(recordPath))
  const current = old && old.version === recordVersion && isDeepStrictEqual(old.inputs, inputs)
  const usable = current && !workspace.force.has(name)
  const missing = usable ? await findMissing(workspace.folder, step.outputs, old) : step.outputs
  if (usable && old.state === 'done' && missing.length === 0) {
    workspace.report({ type: 'step', step: name, state: 'skip', reason: 'complete and current' })
    return old.id
  }
  workspace.signal?.throwIfAborted()
  await step.prepare?.()
  const resumed = usable && (old.state === 'started' || missing.length < step.outputs.length)
  const id = resumed ? old.id : randomUUID()
  const reason = reasonOf(old, current === true, workspace.force.has(name))
  workspace.report({ type: 'step', step: name, state: resumed ? 'resume' : 'start', reason })
  if (!resumed) await step.clear()
  const record = { version: recordVersion, id, state: 'started', inputs } satisfies StepRecord
  await workspace.write(recordPath, text(record))
  const started = performance.now()
  await step.work(missing)
  const seconds = (performance.now() - started) / 1000
  const files = await sizesOf(workspace.folder, step.outputs, name)
  await workspace.write(recordPath, text({ ...record, state: 'done', files, seconds } satisfies StepRecord))
  const bytes = files.reduce((sum, [, size]) => sum + size, 0)
  workspace.report({ type: 'step', step: name, state: 'done', seconds, files: files.length, bytes })
  return id
}

/** Whether a step was complete when it was last run, be it with these inputs or others. */
export async function isDone({ folder }: Workspace, name: StepName): Promise<boolean> {
  return (await readRecord(join(folder, `${workFolder}/${name}.json`)))?.state === 'done'
}

/** Whether what an earlier run of a step made was made of these inputs, as far as they are named, and is not to be made again. */
export async function isCurrent(
  { folder, force }: Workspace,
  name: StepName,
  inputs: Readonly<Record<string, unknown>>,
): Promise<boolean> {
  const record = await readRecord(join(folder, `${workFolder}/${name}.json`))
  if (!record || record.version !== recordVersion || force.has(name)) return false
  const known = new Map(Object.entries(record.inputs ?? {}))
  const wanted: object = JSON.parse(JSON.stringify(inputs))
  return Object.entries(wanted).every(([key, value]) => isDeepStrictEqual(known.get(key), value))
}

function reasonOf(old: StepRecord | null, current: boolean, forced: boolean): string {
  if (!old) return ''
  if (forced) return 'forced'
  if (!current) return 'inputs or options have changed'
  return old.state === 'done' ? 'files are missing' : 'was interrupted'
}

async function readRecord(path: string): Promise<StepRecord | null> {
  const content = await readFile(path, 'utf8').catch(() => null)
  if (content === null) return null
  try {
    const value: unknown = JSON.parse(content)
    return isRecord(value) ? value : null
  } catch {
    return null
  }
}

function isRecord(value: unknown): value is StepRecord {
  return (
    typeof value === 'object' &&
    value !== null &&
    'version' in value &&
    typeof value.version === 'number' &&
    'inputs' in value &&
    'id' in value &&
    typeof value.id === 'string' &&
    'state' in value &&
    (value.state === 'started' || (value.state === 'done' && 'files' in value && Array.isArray(value.files)))
  )
}

/** Outputs that are not there, or have another size than when they were made. */
async function findMissing(folder: string, outputs: readonly string[], record: StepRecord): Promise<string[]> {
  const sizes = new Map((record.files ?? []).map(([path, size]) => [path, size]))
  const missing: string[] = []
  for (const path of outputs) {
    const info = await stat(join(folder, path)).catch(() => null)
    const size = sizes.get(path)
    if (!info?.isFile() || info.size === 0 || (size !== undefined && size !== info.size)) missing.push(path)
  }
  return missing
}

async function sizesOf(folder: string, outputs: readonly string[], name: StepName): Promise<[string, number][]> {
  const files: [string, number][] = []
  for (const path of outputs) {
    const info = await stat(join(folder, path)).catch(() => null)
    if (!info)
      throw new ProcessError(`${path}, which the step ${name} made, is gone; is something else at work in ${folder}?`)
    files.push([path, info.size])
  }
  return files
}

/** Removes files and folders below the dataset's folder. */
export async function removePaths(workspace: Workspace, paths: readonly string[]): Promise<void> {
  for (const path of paths) await rm(join(workspace.folder, path), { recursive: true, force: true })
}

function text(value: unknown): string {
  return `${JSON.stringify(value, null, 1)}\n`
}
