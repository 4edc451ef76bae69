import { FormatError } from '../errors.js'
import { cameraModelByName } from './cameras.js'
import type { ColmapCamera } from './types.js'

/** Beyond any image; keeps pixel counts exact. */
const longestSide = 2 ** 20

/** A camera whose numbers can be used. */
export function checkCamera(camera: ColmapCamera, file: string, where: string): ColmapCamera {
  const { width, height, params, model } = camera
  for (const [name, side] of [
    ['width', width],
    ['height', height],
  ] as const) {
    if (!(Number.isInteger(side) && side >= 1 && side <= longestSide)) {
      throw new FormatError(file, `${where}, ${name}`, `1 to ${longestSide}`, `${side}`)
    }
  }
  const names = cameraModelByName(model)?.parameters ?? []
  params.forEach((value, i) => {
    const focal = names[i]?.startsWith('f') === true
    if (!Number.isFinite(value) || (focal && value <= 0)) {
      throw new FormatError(
        file,
        `${where}, ${names[i]}`,
        focal ? 'a focal length above 0' : 'a finite number',
        `${value}`,
      )
    }
  })
  return camera
}
