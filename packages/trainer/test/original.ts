// A checkpoint that the original trained, imported, against what the original computed with it: every operator on the
// original's own inputs, and the rendered image end to end.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { View } from '@clipgstream/camera'
import { readNpy, toFloat32 } from '@clipgstream/io'
import { createNodeDecoder, nodeFolder } from '@clipgstream/io/node'
import type { Device, Tensor } from '@clipgstream/tensor'
import {
  createMemoryRun,
  createModel,
  createSceneOperators,
  decodeFrame,
  importOriginal,
  readClip,
  readReference,
  type SceneOperators,
} from '@clipgstream/trainer'

export interface ParityRow {
  view: string
  operator: string
  /** What is compared. */
  values: number
  largest: number
  mean: number
  tolerance: string
  passed: boolean
}

export interface ParityReport {
  rows: ParityRow[]
  views: { view: string; psnr: number; originalPsnr: number; psnrToOriginal: number }[]
}

const clip0 = ['cam10_f02', 'cam10_f07', 'cam15_f02', 'cam15_f07']

/** checkpoint, dataset: folders of the fixture and of the images that it was trained on. */
export async function compareWithOriginal(
  device: Device,
  checkpoint: string,
  dataset: string,
  names: readonly string[] = clip0,
): Promise<ParityReport> {
  const run = createMemoryRun()
  const { manifest } = await withHistory(checkpoint, (history) => importOriginal(nodeFolder(history), run))
  const entry = manifest.clips[0]
  if (!entry) throw new Error('nothing was imported')
  const reference = await readReference(run, manifest, entry)
  const operators = await createSceneOperators(device, manifest.config)
  using model = createModel(operators, await readClip(run, manifest, entry, reference))
  const report: ParityReport = { rows: [], views: [] }
  for (const name of names) {
    const folder = `${checkpoint}/parity/clip0_${name}`
    const { view, time, frame, camera, psnr } = readView(folder)
    const add = (operator: string, difference: Difference, tolerance: string, passed: boolean) =>
      report.rows.push({ view: name, operator, ...difference, tolerance, passed })
    using _scope = device.scope()

    const encoding = floats(folder, 'stf_encoding')
    const points = device.from(floats(folder, 'stf_input'), [256, 4])
    const encoded = await operators.grid.forward({ points }, model.field.table).read()
    const hash = difference(encoded, encoding)
    add('hash encoding', hash, '2e-4 (fp16 sums of 16 terms)', hash.largest < 2e-4)

    const x = device.from(encoding, [256, 64])
    const [dynamic] = operators.fieldNet.forward({ x }, [model.field.net], 'nothing').outputs
    const field = difference(await dynamic!.read(), floats(folder, 'stf'))
    add('field', field, '1e-3 (fp16 layers)', field.largest < 1e-3)

    for (const [head, found] of await decoders(operators, model.decoders, device, folder)) {
      const expected = floats(folder, head)
      const far = found.filter(
        (value, i) => Math.abs(value - expected[i]!) > 1e-6 + 1e-5 * Math.abs(expected[i]!),
      ).length
      const decoded = difference(found, expected)
      const close = far <= 2e-3 * found.length && decoded.largest <= 1e-4
      add(`decoder ${head}`, decoded, '1e-6 + 1e-5 relative, 0.2 % up to 1e-4', close)
    }

    const visible = operators.anchors.visible(model.anchors, view)
    const filter = await compareFilter(visible, model.count, readNpyBytes(`${folder}/visible_mask_bits.npy`))
    add('anchor filter', filter, '0', filter.largest === 0)

    const { gaussians } = decodeFrame(operators, model, 'concatenate', visible, time, 'nothing')
    const raster = operators.rasterizer.forward(gaussians, view, manifest.config.rasterizer.background)
    const radii = difference(await device.read(raster.radii, 0, 2560), ints(folder, 'radii'))
    const off = radii.mean * radii.values
    add('radii', radii, '1 for at most 0.1 %', radii.largest <= 1 && off <= 1e-3 * radii.values + 2)

    const image = await raster.image.read()
    const original = readImage(`${folder}/image.npy.gz`, view)
    const pixels = difference(image, original)
    add('image', pixels, 'mean 1e-4, largest 5e-2', pixels.mean < 1e-4 && pixels.largest < 5e-2)
    const path = `${dataset}/frame${String(frame).padStart(6, '0')}/images/${camera}.jpg`
    const photograph = await createNodeDecoder().decode(new Uint8Array(readFileSync(path)), path)
    const target = Float32Array.from(photograph.data, (byte) => byte / 255)
    report.views.push({
      view: name,
      psnr: psnrOf(image, target),
      originalPsnr: psnr,
      psnrToOriginal: psnrOf(image, original),
    })
  }
  return report
}

/** The history folder as the original writes it, put together from the packed fixture. */
async function withHistory<T>(checkpoint: string, use: (history: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'clipgstream-'))
  try {
    execFileSync(process.execPath, [`${checkpoint}/assemble.mjs`, folder], { stdio: 'ignore' })
    return await use(`${folder}/history`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function decoders(
  operators: SceneOperators,
  parameters: Parameters<SceneOperators['decoders']['forward']>[1],
  device: Device,
  folder: string,
): Promise<[string, Float32Array][]> {
  const fixed = floats(folder, 'anchor_feature')
  const dynamic = floats(folder, 'stf')
  const features = new Float32Array(256 * 128)
  for (let row = 0; row < 256; row++) {
    features.set(fixed.subarray(row * 64, row * 64 + 64), row * 128)
    features.set(dynamic.subarray(row * 64, row * 64 + 64), row * 128 + 64)
  }
  const { outputs } = operators.decoders.forward({ x: device.from(features, [256, 128]) }, parameters, 'nothing')
  const heads = operators.decoders.config.heads.map(({ name }) => name)
  return Promise.all(
    outputs.map(async (tensor, i): Promise<[string, Float32Array]> => [heads[i] ?? '', await tensor.read()]),
  )
}

interface Difference {
  values: number
  largest: number
  mean: number
}

function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): Difference {
  if (actual.length !== expected.length) throw new Error(`${actual.length} values against ${expected.length}`)
  let largest = 0
  let sum = 0
  for (let i = 0; i < expected.length; i++) {
    const d = Math.abs(actual[i]! - expected[i]!)
    sum += d
    if (!(d <= largest)) largest = d
  }
  return { values: expected.length, largest, mean: sum / expected.length }
}

async function compareFilter(
  { indices, count }: { indices: Tensor<'u32'>; count: Tensor<'u32'> },
  anchors: number,
  bits: Uint8Array,
): Promise<Difference> {
  const [n] = await count.read()
  const mask = new Uint8Array(anchors)
  for (const index of (await indices.read()).subarray(0, n)) mask[index] = 1
  return difference(
    mask,
    Uint8Array.from({ length: anchors }, (_, i) => (bits[i >> 3]! >> (i & 7)) & 1),
  )
}

function readView(folder: string): { view: View; time: number; frame: number; camera: string; psnr: number } {
  const {
    width,
    height,
    FoVx,
    FoVy,
    worldViewTransform: m,
    projection: p,
    ...rest
  } = JSON.parse(readFileSync(`${folder}/camera.json`, 'utf8'))
  const view = {
    width,
    height,
    fx: width / (2 * Math.tan(FoVx / 2)),
    fy: height / (2 * Math.tan(FoVy / 2)),
    cx: ((p[2][0] + 1) * width) / 2,
    cy: ((p[2][1] + 1) * height) / 2,
    worldToCamera: [0, 1, 2].flatMap((row) => [0, 1, 2, 3].map((column) => m[column][row])),
  }
  return { view, time: rest.time, frame: rest.frame, camera: rest.camera, psnr: rest.psnr }
}

/** [3, H, W] to [H, W, 3] */
function readImage(path: string, { width, height }: View): Float32Array {
  const planes = toFloat32(readNpy(new Uint8Array(gunzipSync(readFileSync(path))), path))
  const image = new Float32Array(planes.length)
  for (let c = 0; c < 3; c++)
    for (let i = 0; i < width * height; i++) image[3 * i + c] = planes[c * width * height + i]!
  return image
}

function floats(folder: string, name: string): Float32Array {
  return Float32Array.from(toFloat32(readNpy(new Uint8Array(readFileSync(`${folder}/${name}.npy`)), name)))
}

function ints(folder: string, name: string): Int32Array {
  const { data } = readNpy(new Uint8Array(readFileSync(`${folder}/${name}.npy`)), name)
  return Int32Array.from(data, Number)
}

function readNpyBytes(path: string): Uint8Array {
  return Uint8Array.from(readNpy(new Uint8Array(readFileSync(path)), path).data, Number)
}

function psnrOf(image: Float32Array, target: Float32Array): number {
  let sum = 0
  for (let i = 0; i < image.length; i++) sum += (Math.min(Math.max(image[i]!, 0), 1) - target[i]!) ** 2
  return -10 * Math.log10(sum / image.length)
}
