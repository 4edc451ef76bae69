import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

// A name says which process writes it: `.NAME.PID-TOKEN-N.partial`. The token tells a process from an earlier one of the
// same number, as containers reuse them.
const token = randomBytes(4).toString('hex')
const pattern = /^\..+\.(\d+)-([0-9a-f]{8})-\d+\.partial$/
let counter = 0

/** Whether this is the name of a file that is being written or whose writer was killed. */
export function isLeftover(name: string): boolean {
  return pattern.test(name)
}

/**
 * Writes a file so that under its name there is always either the old content or the whole new one: into a temporary
 * name of the same folder, flushed to disk, then renamed. Missing folders are made.
 */
export async function writeAtomic(path: string, content: Uint8Array | string): Promise<void> {
  await writeAtomicStream(path, [typeof content === 'string' ? new TextEncoder().encode(content) : content])
}

/** As {@link writeAtomic}, from pieces; when the pieces end with an error, nothing is left behind. Gives the bytes written. */
export async function writeAtomicStream(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<number> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true })
  counter += 1
  const partial = join(folder, `.${basename(path)}.${process.pid}-${token}-${counter}.partial`)
  try {
    const handle = await open(partial, 'wx')
    let written = 0
    try {
      for await (const chunk of chunks) written += await writeAll(handle, chunk)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(partial, path)
    await syncFolder(folder)
    return written
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<number> {
  let done = 0
  while (done < chunk.length) done += (await handle.write(chunk, done, chunk.length - done)).bytesWritten
  return done
}

/** A rename is only durable once its folder is; not every system can flush one. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'EINVAL' && code !== 'ENOTSUP') throw error
  } finally {
    await handle.close()
  }
}

/**
 * Removes what killed writers left in `folder` and below; files of writers that still run stay. Gives the paths removed.
 */
export async function removeLeftovers(folder: string): Promise<string[]> {
  const removed: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) removed.push(...(await removeLeftovers(path)))
    else if (entry.isFile() && isAbandoned(entry.name)) {
      await rm(path, { force: true })
      removed.push(path)
    }
  }
  return removed
}

function isAbandoned(name: string): boolean {
  const match = pattern.exec(name)
  if (!match) return false
  const pid = Number(match[1])
  if (pid === process.pid) return match[2] !== token
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}
