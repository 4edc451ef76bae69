import { IoError, OptionError } from '../errors.js'
import { countVertices } from '../ply/count.js'
import { extension, joinPath, stem } from '../vfs/path.js'
import type { Vfs } from '../vfs/vfs.js'
import type { DatasetClip, DatasetOptions, Problem } from './types.js'

/** Clips of the frames in use, with their clouds. Clip n holds frames n clipSize to (n + 1) clipSize; the last may be short. */
export async function findClips(
  vfs: Vfs,
  frameCount: number,
  clipSize: number,
  options: DatasetOptions,
  problems: Problem[],
): Promise<DatasetClip[]> {
  const [first, end] = options.frames ?? [0, frameCount]
  if (!(Number.isInteger(first) && Number.isInteger(end) && first >= 0 && first <= end && end <= frameCount)) {
    throw new OptionError('frames', `[${first}, ${end})`, `a range inside the ${frameCount} frames`)
  }
  if (first % clipSize !== 0) {
    throw new OptionError(
      'frames',
      `[${first}, ${end})`,
      `a range that begins with a clip, at a multiple of ${clipSize}`,
    )
  }
  const folder = options.clouds ?? 'plys'
  const clips: DatasetClip[] = []
  for (let start = first; start < end; start += clipSize) {
    const index = start / clipSize
    const cloud = joinPath(folder, `${index}.ply`)
    const candidates = joinPath(`${folder}_candidates`, `${index}.ply`)
    const found = await vfs.exists(cloud)
    if (!found) {
      const message = `${cloud} is missing: ${index === 0 ? 'the points of clip 0' : `the new points of clip ${index} (an empty cloud if there are none)`}`
      problems.push({ severity: 'error', code: 'missing-cloud', message, gap: index > 0 })
    }
    clips.push({
      index,
      start,
      end: Math.min(end, start + clipSize),
      cloud: found ? cloud : null,
      candidates: (await vfs.exists(candidates)) ? candidates : null,
    })
  }
  const last = clips.at(-1)
  if (last && last.end - last.start < clipSize) {
    const message = `the last clip (${last.index}) has ${last.end - last.start} of ${clipSize} frames`
    problems.push({ severity: 'note', code: 'partial-clip', message })
  }
  if (!options.frames) await findExtraClouds(vfs, folder, clips.length, frameCount, clipSize, problems)
  return clips
}

async function findExtraClouds(
  vfs: Vfs,
  folder: string,
  clips: number,
  frames: number,
  clipSize: number,
  problems: Problem[],
): Promise<void> {
  if (!(await vfs.exists(folder))) return
  const extra = (await vfs.list(folder)).filter(({ name, kind }) => {
    return kind === 'file' && extension(name) === 'ply' && /^\d+$/.test(stem(name)) && Number(stem(name)) >= clips
  })
  if (extra.length === 0) return
  const names = extra.map(({ name }) => name).join(', ')
  const message = `${folder} also has ${names}, but ${frames} frames make ${clips} clips of ${clipSize}; is the clip size right?`
  problems.push({ severity: 'warning', code: 'extra-cloud', message })
}

/** Points that the header of a cloud promises, or null where it cannot be read. */
export async function countPoints(vfs: Vfs, path: string, problems: Problem[]): Promise<number | null> {
  try {
    return countVertices(await vfs.readRange(path, 0, 1 << 16), path)
  } catch (error) {
    if (!(error instanceof IoError)) throw error
    problems.push({ severity: 'error', code: 'bad-cloud', message: error.message })
    return null
  }
}
