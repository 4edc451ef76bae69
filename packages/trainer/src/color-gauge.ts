/** Values of an affine colour map [3, 4]. */
const elements = 12
/** Every fifth is on the diagonal. */
const diagonal = 5

/**
 * Shifts colour maps // [cameras, 3, 4] so that their mean is the identity: scene and maps can exchange a colour of all
 * cameras without a change of any photograph, and this fixes which is which. The scene then has the colours of the mean
 * camera, the best guess for a camera that was not trained on.
 */
export function centreColorMaps(maps: Float32Array): void {
  const cameras = maps.length / elements
  for (let j = 0; j < elements; j++) {
    let sum = 0
    for (let i = j; i < maps.length; i += elements) sum += maps[i]!
    const shift = sum / cameras - (j % diagonal === 0 ? 1 : 0)
    for (let i = j; i < maps.length; i += elements) maps[i]! -= shift
  }
}
