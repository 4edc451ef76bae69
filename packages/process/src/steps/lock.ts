import { readFile, rm, writeFile } from 'node:fs/promises'
import { codeOf, ProcessError } from '../errors.js'

/**
 * Keeps other processes out of a folder with a file that names this one. That of a process which is no more, or of an earlier
 * one with our number, as containers give, is taken over. Gives what ends it.
 */
export async function lockFolder(path: string, folder: string): Promise<() => Promise<void>> {
  for (;;) {
    try {
      await writeFile(path, `${process.pid}\n`, { flag: 'wx' })
      return () => rm(path, { force: true })
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    }
    const holder = Number(await readFile(path, 'utf8').catch(() => ''))
    if (holder > 0 && holder !== process.pid && isAlive(holder))
      throw new ProcessError(
        `process ${holder} is at work in ${folder}; wait for it, or end it first (or remove ${path} if it is something else)`,
      )
    await rm(path, { force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}
