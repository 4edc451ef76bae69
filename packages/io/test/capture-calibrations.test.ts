// Calibrations of pose tools, beside videos or image folders.
import { cameraCentre, rotationOf, vectorFromRotation, viewDirection } from '@clipgstream/camera'
import { captureView, detectCapture, memoryFolder, openCapture, type Vfs } from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { failure, survives } from './helpers.js'
import { courtRig, expectRig, frameImage, type RigCamera } from './rig.js'

const rig = await courtRig(3)
const k = [-0.1, 0.02, 0.001, -0.002] as const
const videos = Object.fromEntries(rig.map(({ name }) => [`videos/${name}.mp4`, '']))
const tOf = ({ view: { worldToCamera: m } }: RigCamera) => [m[3], m[7], m[11]]

function qca(cameras: readonly RigCamera[], change = (xml: string) => xml): string {
  const elements = cameras.map(({ name, view }) => {
    const [x, y, z] = cameraCentre(view).map((value) => value * 1000)
    const [right, down, forward] = rotationOf(view)
    const rows = [right, down.map((v) => -v), forward.map((v) => -v)]
    const r = rows.flatMap((row, i) => row.map((value, j) => `r${i + 1}${j + 1}="${value}"`)).join(' ')
    return `<camera active="1" serial="${name}" model="Miqus Video">
      <fov_video left="0" top="0" right="${view.width - 1}" bottom="${view.height - 1}"/>
      <transform x="${x}" y="${y}" z="${z}" ${r}/>
      <intrinsic focalLengthU="${view.fx * 64}" focalLengthV="${view.fy * 64}" centerPointU="${view.cx * 64}"
        centerPointV="${view.cy * 64}" skew="0" radialDistortion1="${k[0]}" radialDistortion2="${k[1]}"
        radialDistortion3="0" tangentalDistortion1="${k[2]}" tangentalDistortion2="${k[3]}"/>
    </camera>`
  })
  const marker = '<camera serial="12059" model="Oqus"><fov_marker left="0" top="0" right="9" bottom="9"/></camera>'
  return change(`<?xml version="1.0"?><calibration><cameras>${elements.join('')}${marker}</cameras></calibration>`)
}

function toml(cameras: readonly RigCamera[], change = (text: string) => text): string {
  const tables = cameras.map(({ name, view }, i) => {
    const rotation = vectorFromRotation(rotationOf(view))
    // OpenCV's pixel centres.
    const matrix = `[[${view.fx}, 0.0, ${view.cx - 0.5}], [0.0, ${view.fy}, ${view.cy - 0.5}], [0.0, 0.0, 1.0]]`
    return `[cam_${i + 1}]\nname = "${name}"\nsize = [ 160.0, 90.0,]\nmatrix = ${matrix}
distortions = [${k.join(', ')}]\nrotation = [${rotation.join(', ')}]
translation = [${tOf({ name, view }).join(', ')}]\nfisheye = false\n`
  })
  return change(`${tables.join('\n')}\n[metadata]\nadjusted = false\nerror = 0.0\n`)
}

function opencvMatrix(rows: number, columns: number, values: readonly (number | undefined)[]): string {
  return `!!opencv-matrix\n  rows: ${rows}\n  cols: ${columns}\n  dt: d\n  data: [${values.join(',\n    ')}]`
}

function yaml(cameras: readonly RigCamera[]): { 'intri.yml': string; 'extri.yml': string } {
  const head = `%YAML:1.0\n---\nnames:\n${cameras.map(({ name }) => `  - "${name}"`).join('\n')}\n`
  const intri = cameras.map(({ name, view: { fx, fy, cx, cy, width, height } }) =>
    [
      `K_${name}: ${opencvMatrix(3, 3, [fx, 0, cx, 0, fy, cy, 0, 0, 1])}`,
      `H_${name}: ${height}.0000000000\nW_${name}: ${width}.0000000000`,
      `D_${name}: ${opencvMatrix(1, 5, [...k, 0])}`,
    ].join('\n'),
  )
  const extri = cameras.map((camera) =>
    [
      `R_${camera.name}: ${opencvMatrix(3, 1, vectorFromRotation(rotationOf(camera.view)))}`,
      `Rot_${camera.name}: ${opencvMatrix(3, 3, rotationOf(camera.view).flat())}`,
      `T_${camera.name}: ${opencvMatrix(3, 1, tOf(camera))}\nt_${camera.name}: 0.0`,
    ].join('\n'),
  )
  return { 'intri.yml': `${head}${intri.join('\n')}\n`, 'extri.yml': `${head}${extri.join('\n')}\n` }
}

describe('Qualisys', () => {
  test('cameras in metres, those of markers left out', async () => {
    const vfs = memoryFolder({ 'calibration/Calib.qca.txt': qca(rig), ...videos })
    expect(await detectCapture(vfs)).toMatchObject({ kind: 'qualisys', file: 'calibration/Calib.qca.txt', also: [] })
    expectRig(await openCapture(vfs), rig, k)
  })

  test.each<[string, (xml: string) => string]>([
    ['XML that is cut', (xml) => xml.slice(0, -30)],
    ['another root', () => '<calib/>'],
    ['entities', (xml) => xml.replace('<calibration>', '<!DOCTYPE a [<!ENTITY b "c">]><calibration>')],
    ['no cameras', () => '<calibration><cameras/></calibration>'],
    ['a number that is text', (xml) => xml.replace(/focalLengthU="[^"]*"/, 'focalLengthU="wide"')],
    ['no transform', (xml) => xml.replace(/<transform[^>]*>/, '')],
    ['the same serial twice', (xml) => xml.replace('view001', 'view000')],
    ['a skew', (xml) => xml.replace('skew="0"', 'skew="3"')],
    ['an empty attribute', (xml) => xml.replace(/r11="[^"]*"/, 'r11=""')],
  ])('refuses %s', async (_, change) => {
    const vfs = memoryFolder({ 'a.qca.txt': qca(rig, change), ...videos })
    expect((await failure(() => openCapture(vfs))).replace(/expected XML, got .*/s, 'expected XML')).toMatchSnapshot()
  })

  const real = fixture('fixtures/video-4cam')
  test.skipIf(real === null)(
    'the real calibration: four cameras around the origin, each upright and looking at it',
    async () => {
      const capture = await openCapture(nodeFolder(real ?? ''))
      expect(capture.kind).toBe('qualisys')
      expect(capture.cameras.map(({ name, source }) => [name, source.kind === 'video' && source.path])).toEqual(
        ['cam01', 'cam02', 'cam03', 'cam04'].map((name) => [name, `videos/${name}.mp4`]),
      )
      for (const { calibration } of capture.cameras) {
        if (!calibration) return expect.fail('no calibration')
        expect(calibration.camera).toMatchObject({ model: 'OPENCV', width: 1088, height: 1920 })
        const view = captureView(calibration)
        const centre = cameraCentre(view)
        const away = Math.hypot(...centre)
        const cosine = -viewDirection(view).reduce((sum, value, c) => sum + value * (centre[c] ?? 0), 0) / away
        expect(away).toBeGreaterThan(2)
        expect(away).toBeLessThan(6)
        expect(cosine).toBeGreaterThan(0.9)
        // The world's z points up, so the picture's down has a negative part of it.
        expect(rotationOf(view)[1][2]).toBeLessThan(-0.8)
      }
    },
  )
})

describe('Pose2Sim', () => {
  test('cameras, with OpenCV pixel centres', async () => {
    const vfs = memoryFolder({ 'Calib_scene.toml': toml(rig), ...videos })
    expect((await detectCapture(vfs)).kind).toBe('pose2sim')
    expectRig(await openCapture(vfs), rig, k)
  })

  test.each<[string, (text: string) => string]>([
    ['text that is no TOML', () => 'a = ['],
    ['no cameras', () => '[metadata]\nerror = 0.0'],
    ['a matrix of two rows', (text) => text.replace(', [0.0, 0.0, 1.0]]', ']')],
    ['a rotation of four numbers', (text) => text.replace('rotation = [', 'rotation = [1.0, ')],
    ['a size of a text', (text) => text.replace('[ 160.0, 90.0,]', '"160x90"')],
    ['one name twice', (text) => text.replace('view001', 'view000')],
  ])('refuses %s', async (_, change) => {
    const said = await failure(() => openCapture(memoryFolder({ 'Calib.toml': toml(rig, change), ...videos })))
    expect(said.replace(/expected TOML, got .*/s, 'expected TOML')).toMatchSnapshot()
  })
})

describe('EasyVolcap', () => {
  const images = rig.flatMap(({ name }) => [0, 1].map((f) => [`images/${name}/00000${f}.png`, frameImage] as const))
  const masks = images.map(([path, bytes]) => [path.replace('images/', 'masks/'), bytes] as const)
  const folder = (change: Partial<ReturnType<typeof yaml>> = {}): Vfs =>
    memoryFolder({ ...yaml(rig), ...change, ...Object.fromEntries([...images, ...masks]) })

  test('cameras, images, masks', async () => {
    expect((await detectCapture(folder())).kind).toBe('easyvolcap')
    const capture = await openCapture(folder())
    expectRig(capture, rig, k)
    expect(capture).toMatchObject({ times: [0, 1], masks: { meaning: 'moving' } })
    const source = capture.cameras[1]?.source
    expect(source?.kind === 'images' && source.images[1]?.mask).toBe('masks/view001/000001.png')
  })

  test('rotation vectors alone, and sizes of the images', async () => {
    const { 'intri.yml': intri, 'extri.yml': extri } = yaml(rig)
    const capture = await openCapture(
      folder({
        'intri.yml': intri.replace(/[HW]_view.*\n/g, ''),
        'extri.yml': extri.replace(/Rot_\w+: !!opencv-matrix\n( .*\n|\s.*\n)*/g, ''),
      }),
    )
    expectRig(capture, rig, k)
  })

  test.each<[string, (text: string) => string]>([
    ['a matrix of too few numbers', (text) => text.replace(/data: \[[^\]]*\]/, 'data: [1, 2]')],
    ['a list without an end', (text) => text.replace(']', '')],
    ['a key twice', (text) => `${text}names:\n  - "a"\n`],
    ['a line without a key', (text) => `${text}what is this\n`],
    ['no names', (text) => text.replace('names', 'cameras')],
    ['a matrix without rows', (text) => text.replace('rows: 3', '')],
  ])('refuses %s', async (_, change) => {
    const said = await failure(() => openCapture(folder({ 'intri.yml': change(yaml(rig)['intri.yml']) })))
    expect(said).toMatchSnapshot()
  })
})

describe('pairing', () => {
  test('by number when no name agrees', async () => {
    const names = ['shot_0.mov', 'shot_1.mov', 'shot_2.mov']
    const vfs = memoryFolder({ 'a.qca.txt': qca(rig), ...Object.fromEntries(names.map((name) => [name, ''])) })
    const capture = await openCapture(vfs)
    expect(capture.cameras.map(({ name }) => name)).toEqual(['shot_0', 'shot_1', 'shot_2'])
  })

  test('cameras without a video are a gap, videos without a camera are left out', async () => {
    const { 'videos/view002.mp4': _, ...fewer } = videos
    const vfs = memoryFolder({ 'a.qca.txt': qca(rig), ...fewer, 'videos/extra.mp4': '' })
    expect(await failure(() => openCapture(vfs))).toMatchInlineSnapshot(`
      "DatasetError: memory cannot be used:
        a.qca.txt: no video or images of view002; there are extra, view000, view001
        --allow-gaps goes on without what is missing"
    `)
    const capture = await openCapture(vfs, { allowGaps: true })
    expect(capture.cameras).toHaveLength(2)
    expect(capture.problems.map(({ code }) => code)).toEqual(['missing-video', 'left-out'])
  })
})

describe('damaged files end with an error of ours', () => {
  const originals: [string, string, (text: string) => Vfs][] = [
    ['qca', qca(rig), (text) => memoryFolder({ 'a.qca.txt': text, ...videos })],
    ['toml', toml(rig), (text) => memoryFolder({ 'Calib.toml': text, ...videos })],
    ['yml', yaml(rig)['intri.yml'], (text) => memoryFolder({ ...yaml(rig), 'intri.yml': text, ...videos })],
  ]
  test.each(originals)('%s, cut or with other characters', async (_, text, folder) => {
    const damaged = fc.oneof(
      fc.nat(text.length).map((at) => text.slice(0, at)),
      fc
        .tuple(fc.nat(text.length - 1), fc.string({ minLength: 1, maxLength: 6 }))
        .map(([at, part]) => text.slice(0, at) + part + text.slice(at + part.length)),
    )
    await fc.assert(
      fc.asyncProperty(damaged, async (bytes) => survives(() => openCapture(folder(bytes)))),
      { numRuns: 150 },
    )
  })
})
