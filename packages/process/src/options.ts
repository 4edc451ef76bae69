import { OptionError } from '@clipgstream/io'
import type { ProcessOptions } from './types.js'

/** Throws an {@link OptionError} for a number that no step could work with, before the first one begins. */
export function checkNumbers(options: ProcessOptions): void {
  const { clipSize, colmapFrames, cloudEvery, maxPoints, randomPoints, distantPoints, stereoHalvings } = options
  const { downscale, blankPixels, quality, voxel, threshold } = options
  const whole = (value: number) => Number.isInteger(value) && value >= 0
  const counted = (value: number) => whole(value) && value > 0
  check({ clipSize, colmapFrames, cloudEvery, maxPoints, randomPoints }, counted, 'a whole number above 0')
  check({ distantPoints, stereoHalvings }, whole, 'a whole number from 0 on')
  check({ voxel, threshold }, (value) => value > 0 && Number.isFinite(value), 'a number above 0')
  check({ downscale }, (value) => value >= 1 && Number.isFinite(value), 'a number of at least 1')
  check({ blankPixels }, (value) => value >= 0 && value <= 1, '0 to 1')
  check({ quality }, (value) => value >= 1 && value <= 100, '1 to 100')
}

function check(
  options: Readonly<Record<string, number | undefined>>,
  fits: (value: number) => boolean,
  expected: string,
): void {
  for (const [name, value] of Object.entries(options))
    if (value !== undefined && !fits(value)) throw new OptionError(name, value, expected)
}
