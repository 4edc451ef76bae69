import { readFileSync } from 'node:fs'
import {
  type GaussianCloud,
  readCameraPath,
  readGaussianPly,
  readSpz,
  writeCameraPath,
  writeGaussianPly,
  writeSpz,
} from '@clipgstream/io'
import { SplatTransformMissingError, writeSplats } from '@clipgstream/io/node'
import fc from 'fast-check'
import { gunzipSync, gzipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { failure, survives, text } from './helpers.js'
import { courtRig } from './rig.js'

/** A few Gaussians with rotations whose largest part is each of w x y z, of either sign. */
function cloud(count = 40): GaussianCloud {
  const wave = (i: number, k: number) => Math.sin(i * 12.9898 + k * 78.233)
  const fill = (width: number, value: (i: number, k: number) => number) =>
    Float32Array.from({ length: count * width }, (_, n) => value(Math.floor(n / width), n % width))
  return {
    means: fill(3, (i, k) => 20 * wave(i, k)),
    scales: fill(3, (i, k) => Math.exp(-4 + 3 * wave(i, k + 3))),
    rotations: fill(4, (i, k) => wave(i, k + 6) + (i % 4 === k ? (i % 8 < 4 ? 2 : -2) : 0)),
    opacities: fill(1, (i) => 0.5 + 0.5 * wave(i, 10)),
    colors: fill(3, (i, k) => 0.5 + 0.5 * wave(i, k + 11)),
  }
}

/** How far two rotations are apart, whatever the signs of their quaternions. */
function turn(a: Float32Array, b: Float32Array, i: number): number {
  const q = [a, b].map((r) => [...r.subarray(i * 4, i * 4 + 4)])
  const unit = q.map((v) => v.map((value) => value / Math.hypot(...v)))
  return 2 * Math.acos(Math.min(1, Math.abs(unit[0]!.reduce((sum, value, k) => sum + value * unit[1]![k]!, 0))))
}

describe('SPZ', () => {
  // Version 2 leaves w out: near 0 it is only known to the square root of a step.
  test.each([
    [2, 0.25],
    [3, 0.003],
  ] as const)('version %d there and back', (version, angle) => {
    const from = cloud()
    const to = readSpz(writeSpz(from, { version }))
    from.means.forEach((value, i) => {
      expect(Math.abs(to.means[i]! - value)).toBeLessThanOrEqual(2 ** -13 + 1e-6)
    })
    from.scales.forEach((value, i) => {
      expect(Math.abs(Math.log(to.scales[i]! / value))).toBeLessThanOrEqual(1 / 32 + 1e-5)
    })
    from.opacities.forEach((value, i) => {
      expect(Math.abs(to.opacities[i]! - value)).toBeLessThanOrEqual(0.5 / 255 + 1e-6)
    })
    from.colors.forEach((value, i) => {
      expect(Math.abs(to.colors[i]! - value)).toBeLessThanOrEqual(0.0037)
    })
    for (let i = 0; i < from.opacities.length; i++) expect(turn(from.rotations, to.rotations, i)).toBeLessThan(angle)
    // What was read is written in the same bytes: nothing moves when a file is saved again.
    if (version === 3) expect(gunzipSync(writeSpz(to))).toEqual(gunzipSync(writeSpz(from)))
  })

  test('fewer bits for large scenes, none that do not fit', () => {
    const far = { ...cloud(1), means: Float32Array.of(5000, -3, 2) }
    expect(gunzipSync(writeSpz(far))[13]).toBe(10)
    expect(readSpz(writeSpz(far)).means[0]).toBe(5000)
    expect(() => writeSpz(far, { fractionalBits: 12 })).toThrow(/does not fit 24 bits/)
    expect(() => writeSpz(far, { fractionalBits: 30 })).toThrow(/fractionalBits must be/)
  })

  test('an empty cloud', () => {
    const none = {
      means: new Float32Array(0),
      scales: new Float32Array(0),
      rotations: new Float32Array(0),
      opacities: new Float32Array(0),
      colors: new Float32Array(0),
    }
    expect(readSpz(writeSpz(none))).toEqual(none)
  })

  const folder = fixture('fixtures/splats')
  test.skipIf(folder === null)('files of another program: axes, colours and scales as that program reads them', () => {
    // Values that splat-transform 2.7.1 gives for these files.
    const three = readSpz(new Uint8Array(readFileSync(`${folder}/minimal-v3.spz`)))
    expect([...three.means]).toEqual([-1, -0, -1, 0, -0, -1, -1, -0, -0, 0, -0, -0])
    for (const value of three.scales) expect(Math.log(value)).toBeCloseTo(-2.3125, 5)
    for (const value of three.opacities) expect(Math.log(value / (1 - value))).toBeCloseTo(2.2192, 4)
    const dc = (color: number) => (color - 0.5) / 0.28209479177387814
    expect([...three.colors.subarray(0, 6)].map((color) => dc(color).toFixed(4))).toEqual([
      '-0.5882',
      '-0.5882',
      '0.0131',
      '0.5882',
      '-0.5882',
      '0.0131',
    ])
    expect([...three.rotations.subarray(0, 4)].map(Math.abs)).toEqual([1, 0, 0, 0])
    const two = readSpz(new Uint8Array(readFileSync(`${folder}/minimal-v2.spz`)))
    expect([...two.means].map(Math.abs)).toEqual([1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0])
    expect([...two.rotations.subarray(1, 4)].map((value) => value.toFixed(4))).toEqual(['0.0039', '-0.0039', '-0.0039'])
  })

  const good = gunzipSync(writeSpz(cloud(3)))
  const changed = (at: number, value: number) => gzipSync(good.map((byte, i) => (i === at ? value : byte)))
  test.each<[string, () => Uint8Array]>([
    ['text', () => text('ply\nformat ascii 1.0\nend_header\n')],
    ['nothing', () => new Uint8Array(0)],
    ['another mark', () => changed(0, 0)],
    ['version 4', () => changed(4, 4)],
    ['more Gaussians than bytes', () => changed(10, 255)],
    ['degree 4', () => changed(12, 4)],
    ['40 bits', () => changed(13, 40)],
    ['a file that is cut', () => writeSpz(cloud(3)).slice(0, -20)],
    ['a size that is a lie', () => Uint8Array.from([...writeSpz(cloud(3)).slice(0, -4), 255, 255, 255, 255])],
  ])('refuses %s', async (_, bytes) => {
    const said = await failure(() => readSpz(bytes()))
    expect(said).toMatch(/^FormatError: spz: /)
  })

  test('any damage ends with an error of ours', async () => {
    const file = writeSpz(cloud(8))
    const damage = fc.tuple(fc.nat(file.length - 1), fc.nat(255), fc.nat(file.length))
    await fc.assert(
      fc.asyncProperty(damage, async ([at, value, end]) => {
        const bytes = file.slice(0, Math.max(at + 1, end))
        bytes[at] = value
        await survives(() => readSpz(bytes))
      }),
      { numRuns: 300 },
    )
  })

  test.each<[string, Partial<GaussianCloud>]>([
    ['a mean that is not a number', { means: Float32Array.of(Number.NaN, 0, 0) }],
    ['arrays of other lengths', { colors: new Float32Array(6) }],
    ['a rotation of zeros', { rotations: new Float32Array(4) }],
  ])('does not write %s', (_, change) => {
    const wrong = { ...cloud(1), ...change }
    expect(() => writeSpz(wrong)).toThrow(/finite|must be|no length/)
    expect(() => writeGaussianPly(wrong)).toThrow(/finite|must be|no length/)
  })
})

/** What splat-transform made, or the error that says that it is not there. */
const result = await writeSplats(cloud(64), 'glb').catch((error: unknown) => {
  if (error instanceof SplatTransformMissingError) return error
  throw error
})
if (!(result instanceof Uint8Array)) console.warn(`skipped: ${result.message}`)

describe('SOG and GLB', () => {
  test.skipIf(result instanceof Uint8Array)('say how to get the package that writes them', () => {
    expect(result instanceof Error && result.message).toMatch(
      /install it: npm i @playcanvas\/splat-transform@2.7 playcanvas/,
    )
  })

  test.skipIf(!(result instanceof Uint8Array))('are written by splat-transform', async () => {
    const glb = result instanceof Uint8Array ? result : expect.fail('no file')
    expect(new TextDecoder().decode(glb.subarray(0, 4))).toBe('glTF')
    expect(new TextDecoder().decode(glb)).toContain('KHR_gaussian_splatting')
    const sog = await writeSplats(cloud(64), 'sog')
    expect(new TextDecoder().decode(sog.subarray(0, 2))).toBe('PK')
  })
})

test('PLY and SPZ agree on the axes', () => {
  const from = cloud(4)
  const ply = readGaussianPly(writeGaussianPly(from))
  const spz = readSpz(writeSpz(from))
  for (let i = 0; i < 12; i++) expect(Math.sign(spz.means[i]!)).toBe(Math.sign(ply.means[i]!))
  for (let i = 0; i < 4; i++) expect(turn(ply.rotations, spz.rotations, i)).toBeLessThan(0.003)
})

const views = (await courtRig(3)).map(({ view }) => view)

describe('camera paths', () => {
  test('there and back', () => {
    const { text: json, notes } = writeCameraPath(views, { fps: 25, times: [0, 0.5, 1], closed: true })
    expect(notes).toEqual([])
    const read = readCameraPath(text(json))
    expect(read).toMatchObject({ fps: 25, times: [0, 0.5, 1], closed: true })
    read.views.forEach((view, i) => {
      const own = views[i] ?? expect.fail('no view')
      expect([view.width, view.height, view.cx, view.cy]).toEqual([own.width, own.height, own.cx, own.cy])
      expect(view.fx).toBeCloseTo(own.fx, 6)
      view.worldToCamera.forEach((value, k) => {
        expect(value).toBeCloseTo(own.worldToCamera[k]!, 9)
      })
    })
  })

  test('as Blender writes it: a camera at z = 5 that looks down, 90 degrees high', () => {
    const path = {
      camera_type: 'perspective',
      ...{ render_height: 100, render_width: 200, fps: 24, seconds: 1, is_cycle: false, keyframes: [] },
      camera_path: [{ camera_to_world: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 5, 0, 0, 0, 1], fov: 90, aspect: 1 }],
    }
    const { views: read, times } = readCameraPath(text(JSON.stringify(path)))
    expect(times).toBeNull()
    expect(read[0]?.fy).toBeCloseTo(50, 12)
    expect(read[0]?.fx).toBeCloseTo(50, 12)
    // A point at the origin is 5 before the camera; world y is up in the picture.
    expect(read[0]?.worldToCamera.map((value) => value + 0)).toEqual([1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 5])
  })

  test('says what the format cannot hold', () => {
    const [first] = views
    const off = { ...(first ?? expect.fail()), cx: 85, fx: 130 }
    expect(writeCameraPath([off]).notes).toMatchInlineSnapshot(`
      [
        "principal points up to 5.0 pixels off the centre are not in the file",
        "focal lengths that differ by up to 1.55 % between the axes are not in the file",
      ]
    `)
  })

  test.each<[string, object]>([
    ['no cameras', { camera_path: [] }],
    ['a panorama', { camera_type: 'equirectangular' }],
    [
      'a field of view of 180 degrees',
      { camera_path: [{ camera_to_world: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 5, 0, 0, 0, 1], fov: 180 }] },
    ],
    ['a matrix of zeros', { camera_path: [{ camera_to_world: Array(16).fill(0), fov: 50 }] }],
    ['no size', { render_width: null }],
    [
      'a time of one camera of two',
      {
        camera_path: [
          { camera_to_world: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 5, 0, 0, 0, 1], fov: 50, render_time: 0 },
          { camera_to_world: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 4, 0, 0, 0, 1], fov: 50, render_time: null },
        ],
      },
    ],
  ])('refuses %s', async (_, change) => {
    const { text: json } = writeCameraPath(views)
    const said = await failure(() => readCameraPath(text(JSON.stringify({ ...JSON.parse(json), ...change }))))
    expect(said).toMatchSnapshot()
  })
})
