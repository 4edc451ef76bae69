/** COLMAP's camera models: index is the id in binary files, then the parameters in the order of the files. */
const table = [
  ['SIMPLE_PINHOLE', 'f cx cy'],
  ['PINHOLE', 'fx fy cx cy'],
  ['SIMPLE_RADIAL', 'f cx cy k'],
  ['RADIAL', 'f cx cy k1 k2'],
  ['OPENCV', 'fx fy cx cy k1 k2 p1 p2'],
  ['OPENCV_FISHEYE', 'fx fy cx cy k1 k2 k3 k4'],
  ['FULL_OPENCV', 'fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6'],
  ['FOV', 'fx fy cx cy omega'],
  ['SIMPLE_RADIAL_FISHEYE', 'f cx cy k'],
  ['RADIAL_FISHEYE', 'f cx cy k1 k2'],
  ['THIN_PRISM_FISHEYE', 'fx fy cx cy k1 k2 p1 p2 k3 k4 sx1 sy1'],
  ['RAD_TAN_THIN_PRISM_FISHEYE', 'fx fy cx cy k0 k1 k2 k3 k4 k5 p0 p1 s0 s1 s2 s3'],
  ['SIMPLE_DIVISION', 'f cx cy k'],
  ['DIVISION', 'fx fy cx cy k'],
  ['SIMPLE_FISHEYE', 'f cx cy'],
  ['FISHEYE', 'fx fy cx cy'],
  ['EUCM', 'fx fy cx cy alpha beta'],
  ['EQUIRECTANGULAR', 'w h'],
] as const

export type ColmapModelName = (typeof table)[number][0]

export interface ColmapCameraModel {
  readonly id: number
  readonly name: ColmapModelName
  readonly parameters: readonly string[]
}

/** All camera models that COLMAP's files may name, by id. */
export const colmapCameraModels: readonly ColmapCameraModel[] = table.map(([name, parameters], id) => {
  return { id, name, parameters: parameters.split(' ') }
})

export function cameraModelById(id: number): ColmapCameraModel | undefined {
  return colmapCameraModels[id]
}

export function cameraModelByName(name: string): ColmapCameraModel | undefined {
  return colmapCameraModels.find((model) => model.name === name)
}
