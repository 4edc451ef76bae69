// `tsx --conditions=@clipgstream/source benchmarks/calibration.ts TRUTH FOUND...` compares found cameras with true ones. TRUTH is a
// COLMAP model with points and tracks, FOUND another or a dataset that `process` made. Cameras are matched by name.
import { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cameraModel } from '@clipgstream/camera'
import { type ColmapModel, poseMatrix, readColmapModel, stem } from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import { calibrationError, type PlacedCamera, type SeenPoint } from '../packages/process/test/calibration-error.js'

const { values: options, positionals } = parseArgs({
  options: { cameras: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const [truthFolder, ...foundFolders] = positionals
if (!truthFolder || foundFolders.length === 0) {
  console.error('expected a folder with the true model and one or more with found ones')
  process.exit(2)
}
const truth = await readColmapModel(nodeFolder(truthFolder), '')
const points = pointsOf(truth)
console.log('| found | cameras | median px | 95 % px |\n| --- | --- | --- | --- |')
for (const folder of foundFolders) {
  const { median, p95, cameras } = calibrationError(camerasOf(truth), points, await readFound(folder))
  console.log(`| ${folder} | ${cameras.length} | ${median.toFixed(3)} | ${p95.toFixed(3)} |`)
  if (!options.cameras) continue
  for (const { name, median: m, p95: p, focal, centre, turn } of cameras)
    console.log(
      `  ${name}: median ${m.toFixed(2)} px, 95 % ${p.toFixed(2)} px, focal length ${(100 * focal).toFixed(3)} %, ` +
        `centre ${centre.toFixed(4)}, turn ${turn.toFixed(4)} degrees`,
    )
}

async function readFound(folder: string): Promise<PlacedCamera[]> {
  const solved = join(folder, '.process/cameras-solved.json')
  if (!(await stat(solved).catch(() => null))) return camerasOf(await readColmapModel(nodeFolder(folder), ''))
  const cameras: PlacedCamera[] = JSON.parse(readFileSync(solved, 'utf8'))
  return cameras
}

function camerasOf(model: ColmapModel): PlacedCamera[] {
  return [...model.images.values()].map(({ name, cameraId, pose }) => {
    const lens = model.cameras.get(cameraId)
    if (!lens) throw new Error(`${name} has no camera`)
    const { width, height, params } = lens
    const camera = { model: cameraModel(lens.model).name, width, height, params }
    return { name: cameraName(name), camera, worldToCamera: poseMatrix(pose) }
  })
}

/** `CAMERA.jpg`, or `CAMERA/MOMENT.jpg` as COLMAP gets several moments. */
function cameraName(image: string): string {
  const [folder, ...rest] = image.split('/')
  return rest.length > 0 && folder !== undefined ? folder : stem(image)
}

function pointsOf({ points3D, images }: ColmapModel): SeenPoint[] {
  if (!points3D) throw new Error('the true model has no points')
  const { count, positions, trackStarts, trackImageIds } = points3D
  return Array.from({ length: count }, (_, i) => ({
    position: [positions[3 * i]!, positions[3 * i + 1]!, positions[3 * i + 2]!],
    cameras: [...trackImageIds.subarray(trackStarts[i], trackStarts[i + 1])].map((id) =>
      cameraName(images.get(id)?.name ?? ''),
    ),
  }))
}
