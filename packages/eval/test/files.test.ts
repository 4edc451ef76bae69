import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clipsOf, createEvaluation, type Evaluation, expectedTensors, readLpipsWeights } from '@clipgstream/eval'
import {
  convertLpipsWeights,
  findLpipsWeights,
  installLpipsWeights,
  isVerified,
  loadLpips,
  lpipsCacheFolder,
  lpipsRemedy,
  writeEvaluation,
} from '@clipgstream/eval/node'
import { type NamedArray, writeSafetensors } from '@clipgstream/io'
import { createRandom } from '@clipgstream/tensor'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import { parseHTML } from 'linkedom'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { disturbed, picture } from './images.js'
import { torchFile } from './torch-file.js'

let folder: string
let device: WasmDevice
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eval-'))
  device = await createWasmDevice({ threads: 1 })
})
afterAll(async () => {
  device.dispose()
  await rm(folder, { recursive: true })
})

async function evaluated(views: string[]): Promise<Evaluation> {
  const random = createRandom(3)
  const nets = [{ name: 'lpips-alex', missing: 'no weights <here> & "there"' }]
  const evaluation = createEvaluation({ clips: clipsOf(0, 4, 2), nets, exhibits: 4 })
  for (const view of views) {
    for (let frame = 0; frame < 4; frame++) {
      const truth = picture(24, 16, frame, 4)
      await evaluation.add(view, frame, disturbed(truth, random, 20), truth)
    }
  }
  return evaluation
}

describe('writeEvaluation', () => {
  test('writes CSV, JSON and a page without any address', async () => {
    const out = join(folder, 'result')
    const evaluation = await evaluated(['0', 'Kamera ä 2'])
    const written = await writeEvaluation(out, evaluation, { title: 'A <b> & c', clips: clipsOf(0, 4, 2) })
    expect(await readdir(out)).toEqual(['0.csv', 'Kamera ä 2.csv', 'report.html', 'summary.json'])
    const csv = await readFile(written.csv[0]!, 'utf8')
    expect(csv.split('\n')).toHaveLength(7)
    expect(csv.split('\n')[0]).toBe('frame,clip,psnr,psnr_fitted,dssim1,dssim2,lpips-alex,flicker,flicker_border')
    expect(csv.split('\n')[5]).toMatch(/^avg,,[\d.]+,[\d.]+,[\d.]+,n\/a,n\/a,[\d.]+,[\d.]+$/)
    expect(JSON.parse(await readFile(written.json, 'utf8')).views).toHaveLength(2)

    const html = await readFile(written.html, 'utf8')
    const { document } = parseHTML(html)
    expect(document.querySelector('h1')?.textContent).toBe('A <b> & c')
    const bodies = document.querySelectorAll('tbody')
    expect(bodies[0]?.querySelectorAll('tr')).toHaveLength(5)
    expect(bodies[1]?.querySelectorAll('tr')).toHaveLength(4)
    expect(document.querySelectorAll('svg').length).toBeGreaterThanOrEqual(3)
    expect(document.querySelectorAll('.compare input[type=range]')).toHaveLength(4)
    expect(document.querySelector('.notes')?.textContent).toContain('no weights <here> & "there"')
    for (const image of Array.from(document.querySelectorAll('img'))) {
      expect(image.getAttribute('src')).toMatch(/^data:image\/jpeg;base64,\/9j\//)
    }
    expect(html).not.toMatch(/https?:|src="(?!data:)|href=|@import|url\((?!#)/)
    expect(html).not.toContain('NaN')
  })

  test('an evaluation without frames is a page without charts', async () => {
    const out = join(folder, 'empty')
    const { csv, html } = await writeEvaluation(out, createEvaluation())
    expect(csv).toEqual([])
    expect(await readFile(html, 'utf8')).not.toContain('<svg')
  })

  test('names of views that are no file names', async () => {
    for (const view of ['../x', 'a/b', '.hidden', '', 'a\nb']) {
      const evaluation = await evaluated([view])
      await expect(writeEvaluation(join(folder, 'bad'), evaluation)).rejects.toThrow(/usable as the name of a file/)
    }
  })
})

/** Files of SqueezeNet weights, as others would write them. */
function squeezeTensors() {
  const random = createRandom(1)
  return [...expectedTensors('squeeze')].map(([name, shape]) => {
    const size = shape.reduce((product, extent) => product * extent, 1)
    return { name, shape, data: Float32Array.from({ length: size }, () => 0.1 * random.normal()) }
  })
}

describe('weights', () => {
  test('raw floats and safetensors convert to the same, backbone and heads apart', async () => {
    const tensors = squeezeTensors()
    const parts = [
      tensors.filter(({ name }) => name.startsWith('f')),
      tensors.filter(({ name }) => name.startsWith('l')),
    ]
    const files: string[] = []
    for (const [i, part] of parts.entries()) {
      const classifier = { dtype: 'I32', shape: [1], data: Int32Array.of(i) } as const
      const arrays = new Map<string, NamedArray>(
        part.map(({ name, shape, data }) => [name, { dtype: 'F32', shape, data }]),
      )
      arrays.set(`classifier.${i}`, classifier)
      const path = join(folder, `part${i}.safetensors`)
      await writeFile(path, writeSafetensors(arrays))
      files.push(path)
    }
    let offset = 0
    const index = tensors.map(({ name, shape, data }) => {
      const entry = { name, shape, byte_offset: offset }
      offset += data.byteLength
      return entry
    })
    await writeFile(join(folder, 'raw.json'), JSON.stringify({ dtype: 'float32le', tensors: index }))
    await writeFile(join(folder, 'raw.f32.bin'), Buffer.concat(tensors.map(({ data }) => Buffer.from(data.buffer))))

    const cache = join(folder, 'cache')
    const path = await installLpipsWeights('squeeze', files, cache)
    expect(path).toBe(join(cache, 'squeeze.safetensors'))
    const weights = readLpipsWeights(new Uint8Array(await readFile(path)))
    const raw = await convertLpipsWeights('squeeze', [join(folder, 'raw.json')])
    for (const { name, data } of tensors) {
      expect(Buffer.compare(bytesOf(weights.tensors.get(name)?.data), bytesOf(data))).toBe(0)
      expect(Buffer.compare(bytesOf(raw.tensors.get(name)?.data), bytesOf(data))).toBe(0)
    }
    expect(isVerified(weights)).toBe(false)

    // By the cache folder or the file itself; what is not there is named.
    const found = await loadLpips(device, { weights: cache })
    expect(found.map(({ name }) => name)).toEqual(['lpips-squeeze'])
    expect(found[0]).toMatchObject({ remark: expect.stringContaining('differ') })
    const both = await loadLpips(device, { weights: cache, nets: ['vgg', 'squeeze'], range: 'original' })
    expect(both.map(({ name }) => name)).toEqual(['lpips-vgg-01', 'lpips-squeeze-01'])
    expect(both[0]).toHaveProperty('missing', `no weights: ${lpipsRemedy('vgg')}`)
    const single = await loadLpips(device, { weights: path, nets: ['alex', 'squeeze'] })
    expect(single.map((net) => 'missing' in net)).toEqual([true, false])
    await expect(loadLpips(device, { weights: path, nets: ['alex'] })).rejects.toThrow(/holds the net squeeze/)
    for (const net of [...found, ...both, ...single]) if ('measure' in net) net[Symbol.dispose]()
    expect(device.bytesInUse).toBe(0)
  })

  test('the older format of PyTorch, with the names of the official files', async () => {
    const tensors = new Map(squeezeTensors().map(({ name, shape, data }) => [name, { shape, data }]))
    const backbone = new Map([...tensors].filter(([name]) => name.startsWith('features.')))
    const heads = new Map([...tensors].filter(([name]) => /^lin\d\.model\.1\.weight$/.test(name)))
    expect([...backbone.keys()].slice(0, 3)).toEqual([
      'features.0.weight',
      'features.0.bias',
      'features.3.squeeze.weight',
    ])
    expect(heads.size).toBe(7)
    const files = [join(folder, 'backbone.pth'), join(folder, 'heads.pth')]
    const classifier = { shape: [10, 2, 1, 1], data: new Float32Array(20) }
    await writeFile(`${files[0]}`, torchFile(new Map([...backbone, ['classifier.1.weight', classifier]])))
    await writeFile(`${files[1]}`, torchFile(heads))
    const weights = await convertLpipsWeights('squeeze', files)
    expect([...weights.tensors.keys()].sort()).toEqual([...tensors.keys()].sort())
    for (const [name, { data }] of tensors) {
      expect(Buffer.compare(bytesOf(weights.tensors.get(name)?.data), bytesOf(data))).toBe(0)
    }
    await expect(convertLpipsWeights('squeeze', [`${files[0]}`])).rejects.toThrow(
      /needs the tensor lin0.model.1.weight/,
    )
  })

  test('none found', async () => {
    const empty = join(folder, 'nothing')
    await mkdir(empty)
    expect(await findLpipsWeights('alex', empty)).toBeNull()
    expect(await loadLpips(device, { weights: empty })).toEqual([
      { name: 'lpips-alex', missing: `no weights: ${lpipsRemedy('alex')}` },
    ])
    await expect(loadLpips(device, { weights: join(folder, 'gone') })).rejects.toThrow(/no such file or folder/)
  })

  test('the cache follows XDG', () => {
    expect(lpipsCacheFolder({ XDG_CACHE_HOME: '/var/cache' })).toBe('/var/cache/clipgstream/lpips')
    expect(lpipsCacheFolder({})).toMatch(/\.cache[/\\]clipgstream[/\\]lpips$/)
    expect(lpipsRemedy('vgg', '/c')).toMatchInlineSnapshot(
      `"download https://download.pytorch.org/models/vgg16-397923af.pth and https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1/vgg.pth, then run \`clipgstream lpips-weights vgg vgg16-397923af.pth vgg.pth\`, which writes /c/vgg.safetensors; or pass --lpips-weights FILE"`,
    )
  })

  test('broken files', async () => {
    const convert = async (name: string, content: string | Uint8Array) => {
      const path = join(folder, name)
      await writeFile(path, content)
      return convertLpipsWeights('squeeze', [path]).then(
        () => 'accepted',
        (error: Error) => error.message.replace(folder, ''),
      )
    }
    await writeFile(join(folder, 'i.f32.bin'), new Uint8Array(8))
    expect(await convert('old.pth', Uint8Array.of(0x80, 2, 0x8a))).toMatchInlineSnapshot(
      `"/old.pth: pickle byte 2: expected 1 more bytes, got 0"`,
    )
    expect(await convert('i.json', '{"tensors": []}')).toMatchInlineSnapshot(
      `"/i.json: the index must have dtype float32le and a list of tensors"`,
    )
    expect(await convert('i.json', '{"dtype":"float32le","tensors":[{"name":"a"}]}')).toMatchInlineSnapshot(
      `"/i.json: tensor 0 must have name, shape and byte_offset"`,
    )
    expect(
      await convert('i.json', '{"dtype":"float32le","tensors":[{"name":"a","shape":[3],"byte_offset":0}]}'),
    ).toMatchInlineSnapshot(`"/i.json: a reaches beyond the 8 bytes of the data"`)
    expect(await convert('i.json', '{"dtype":"float32le","tensors":[]}')).toMatchInlineSnapshot(
      `"i.json: lpips-squeeze needs the tensor features.0.weight, which is not there"`,
    )
    expect(await convert('x.safetensors', new Uint8Array(7))).toContain('x.safetensors')
    const none = join(folder, 'net.safetensors')
    await writeFile(none, writeSafetensors(new Map()))
    await expect(loadLpips(device, { weights: none })).rejects.toThrow(/metadata key net must be one of/)
  })

  const torch = fixture('fixtures/reference-checkpoint/decoder/mlp_cov.pth')
  test.skipIf(!torch)('a state dictionary of PyTorch is read, and refused for what it lacks', async () => {
    await expect(convertLpipsWeights('alex', [`${torch}`])).rejects.toThrow(
      'mlp_cov.pth: lpips-alex needs the tensor features.0.weight, which is not there',
    )
  })

  const published = fixture('fixtures/lpips/weights')
  test.skipIf(!published)('the published weights are those that were checked', async () => {
    for (const net of ['alex', 'squeeze'] as const) {
      expect(isVerified(await convertLpipsWeights(net, [`${published}/${net}.json`]))).toBe(true)
    }
  })
})

function bytesOf(data: Float32Array | undefined): Buffer {
  return data ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.alloc(0)
}
