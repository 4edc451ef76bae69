// Anchors of a checkpoint that the original trained, and what it made of them.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { View } from '@clipgstream/camera'
import { type AnchorOperators, createAnchorOperators, defaultAnchorConfig } from '@clipgstream/gaussians'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { readNpy } from './files.js'
import * as oracle from './oracle.js'

const folder = fixture('fixtures/reference-checkpoint')

/** Columns of a packed PLY, as [rows, names.length]; bytes are stored as [column][byte][row]. */
function readPlanes(clip: number, names: readonly string[]): Float32Array {
  const manifest = JSON.parse(readFileSync(`${folder}/manifest.json`, 'utf8'))
  const { header, rows } = manifest.plies[`${clip}.ply`]
  const columns: string[] = [...header.matchAll(/property float (\S+)/g)].map((match) => match[1])
  const planes = gunzipSync(readFileSync(`${folder}/packed/${clip}.ply.planes.gz`))
  const bytes = new Uint8Array(4 * rows * names.length)
  names.forEach((name, column) => {
    for (let byte = 0; byte < 4; byte++) {
      const plane = planes.subarray((4 * columns.indexOf(name) + byte) * rows)
      for (let row = 0; row < rows; row++) bytes[4 * (row * names.length + column) + byte] = plane[row] ?? 0
    }
  })
  return new Float32Array(bytes.buffer)
}

function readView(name: string): View & { time: number } {
  const camera = JSON.parse(readFileSync(`${folder}/parity/${name}/camera.json`, 'utf8'))
  const { width, height, FoVx, FoVy, worldViewTransform: m, projection: p, time } = camera
  return {
    width,
    height,
    fx: width / (2 * Math.tan(FoVx / 2)),
    fy: height / (2 * Math.tan(FoVy / 2)),
    cx: ((p[2][0] + 1) * width) / 2,
    cy: ((p[2][1] + 1) * height) / 2,
    worldToCamera: [0, 1, 2].flatMap((row) => [0, 1, 2, 3].map((column) => m[column][row])),
    time,
  }
}

const names = {
  positions: ['x', 'y', 'z'],
  logScaling: [0, 1, 2, 3, 4, 5].map((i) => `scale_${i}`),
  rotations: [0, 1, 2, 3].map((i) => `rot_${i}`),
}

describe.skipIf(!folder)('a checkpoint of the original', () => {
  let device: WasmDevice
  let operators: AnchorOperators
  beforeAll(async () => {
    device = await createWasmDevice({ threads: 2, poison: true })
    operators = await createAnchorOperators(device)
  })
  afterAll(() => device.dispose())

  const views = [0, 1].map((clip) => ({
    clip,
    folders: ['cam10', 'cam15'].flatMap((camera) => [2, 7].map((f) => `clip${clip}_${camera}_f${clip}${f}`)),
  }))

  it.each(views)('clip $clip: the same anchors are visible', async ({ clip, folders }) => {
    const host = {
      positions: readPlanes(0, names.positions),
      logScaling: readPlanes(0, names.logScaling),
      rotations: readPlanes(0, names.rotations),
    }
    if (clip === 1) {
      for (const key of ['positions', 'logScaling', 'rotations'] as const)
        host[key] = Float32Array.from([...host[key], ...readPlanes(1, names[key])])
    }
    const n = host.positions.length / 3
    expect(n).toBe(clip === 0 ? 62826 : 62826 + 8219)
    const anchors = {
      positions: device.from(host.positions, [n, 3]),
      logScaling: device.from(host.logScaling, [n, 6]),
      rotations: device.from(host.rotations, [n, 4]),
    }
    const low = readNpy(`${folder}/stf/clip${clip}.xyz_bound_min.npy`)
    const high = readNpy(`${folder}/stf/clip${clip}.xyz_bound_max.npy`)
    const bounds = {
      min: [low[0] ?? 0, low[1] ?? 0, low[2] ?? 0],
      max: [high[0] ?? 0, high[1] ?? 0, high[2] ?? 0],
    } as const
    for (const name of folders) {
      const view = readView(name)
      const bits = readNpy(`${folder}/parity/${name}/visible_mask_bits.npy`)
      const visible = operators.visible(anchors, view)
      const { rotations: _, ...unrotated } = anchors
      const indices = await visible.indices.read()
      const [count = 0] = await visible.count.read()
      const found = new Set(indices.subarray(0, count))
      const again = operators.visible(unrotated, view)
      expect((await again.count.read())[0]).toBe(count)

      const { near, dilation } = defaultAnchorConfig
      let different = 0
      for (let i = 0; i < n; i++) {
        if (found.has(i) === (((bits[i >> 3] ?? 0) >> (i & 7)) & 1) > 0) continue
        different++
        expect(oracle.project(host, i, view, near, dilation).margin).toBeLessThan(1e-3)
      }
      console.log(`${name}: ${count} of ${n} anchors visible, ${different} unlike the original`)
      expect(different).toBeLessThan(5)

      const first = readNpy(`${folder}/parity/${name}/anchor_index.npy`)
      if (different === 0) expect([...first]).toEqual([...indices.subarray(0, first.length)])
      const points = await operators.fieldPoints(anchors, visible, bounds, view.time).read()
      expect(points.subarray(0, 4 * first.length)).toEqual(readNpy(`${folder}/parity/${name}/stf_input.npy`))
    }
  })

  it('sizes and places Gaussians so that their radii agree', async () => {
    using _ = device.scope()
    const name = 'clip0_cam10_f02'
    const read = (file: string) => Float32Array.from(readNpy(`${folder}/parity/${name}/${file}.npy`))
    const scaling = read('anchor_scaling')
    const n = scaling.length / 6
    const k = 10
    const { means, scales, quats } = operators.assemble(
      { positions: device.from(read('anchor'), [n, 3]), logScaling: device.from(scaling.map(Math.log), [n, 6]) },
      { indices: device.from(Uint32Array.from({ length: n }, (_, i) => i)), count: device.from(Uint32Array.of(n)) },
      {
        opacity: device.from(read('opacity'), [n, k]),
        cov: device.from(read('cov'), [n, 7 * k]),
        color: device.from(read('color'), [n, 3 * k]),
        offset: device.from(read('offset'), [n, 3 * k]),
      },
    )
    const logScales = (await scales.read()).map(Math.log)
    const gaussians = {
      positions: await means.read(),
      rotations: await quats.read(),
      logScaling: Float32Array.from({ length: 6 * n * k }, (_, i) => logScales[3 * Math.floor(i / 6) + (i % 6)] ?? 0),
    }
    const view = readView(name)
    const different = [...readNpy(`${folder}/parity/${name}/radii.npy`)].filter((radius, i) => {
      const expected = oracle.project(gaussians, i, view, defaultAnchorConfig.near, defaultAnchorConfig.dilation)
      return radius !== (expected.visible ? expected.radius : 0)
    })
    expect(different).toEqual([])
  })
})
