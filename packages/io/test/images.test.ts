import { readFileSync } from 'node:fs'
import {
  createImageStore,
  type Dataset,
  downsampledSize,
  type ImageDecoder,
  loadImage,
  loadMask,
  memoryFolder,
  openDataset,
  probeImageSize,
  quantize,
  type RgbImage,
  resizeLanczos,
  toFloatImage,
} from '@clipgstream/io'
import { createNodeDecoder, encodeJpeg, encodePng } from '@clipgstream/io/node'
import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { failure, survives, text } from './helpers.js'
import { picture, redOf, scene, sceneFiles } from './scene.js'

const decoder = createNodeDecoder()
const gradient = (width: number, height: number): RgbImage => {
  const data = new Uint8Array(width * height * 3)
  for (let i = 0; i < data.length; i++) data[i] = (i * 7919 + (i >> 3) * 31) & 255
  return { width, height, data }
}

describe('decoding', () => {
  test('PNG is exact, also from numbers', async () => {
    const image = gradient(13, 7)
    expect(await decoder.decode(await encodePng(image), 'x.png')).toEqual(image)
    expect(await decoder.decode(await encodePng({ ...image, data: toFloatImage(image) }), 'x.png')).toEqual(image)
  })

  test('alpha is dropped without blending', async () => {
    const rgba = Buffer.from([200, 100, 50, 0, 10, 20, 30, 128])
    const png = await sharp(rgba, { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toBuffer()
    expect([...(await decoder.decode(png, 'x')).data]).toEqual([200, 100, 50, 10, 20, 30])
  })

  test('grey and 16 bits', async () => {
    const grey = await sharp(Buffer.from([0, 77, 255]), { raw: { width: 3, height: 1, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toBuffer()
    expect([...(await decoder.decode(grey, 'x')).data]).toEqual([0, 0, 0, 77, 77, 77, 255, 255, 255])
    const deep = Uint16Array.of(0, 0x1234, 0xffff, 0x8000, 0x00ff, 0xff00)
    const wide = await sharp(deep, { raw: { width: 2, height: 1, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer()
    expect((await sharp(wide).metadata()).depth).toBe('ushort')
    expect([...(await decoder.decode(wide, 'x')).data]).toEqual([0, 0x12, 0xff, 0x80, 0, 0xff])
    const deepGrey = await sharp(Uint16Array.of(0x1234, 0xff00), { raw: { width: 2, height: 1, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toBuffer()
    expect([...(await decoder.decode(deepGrey, 'x')).data]).toEqual([0x12, 0x12, 0x12, 0xff, 0xff, 0xff])
  })

  test('EXIF rotation is not applied', async () => {
    const turned = await sharp(gradient(8, 4).data, { raw: { width: 8, height: 4, channels: 3 } })
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer()
    expect(await decoder.decode(turned, 'x')).toEqual(gradient(8, 4))
  })

  test('a colour profile is not applied', async () => {
    const profiled = await sharp(gradient(8, 4).data, { raw: { width: 8, height: 4, channels: 3 } })
      .withIccProfile('p3')
      .png()
      .toBuffer()
    const raw = await sharp(profiled, { ignoreIcc: true }).raw().toBuffer()
    expect(Buffer.compare((await decoder.decode(profiled, 'x')).data, raw)).toBe(0)
  })

  test('JPEG and WebP', async () => {
    const smooth = { width: 16, height: 16, data: new Uint8Array(768).map((_, i) => Math.floor(i / 4)) }
    for (const bytes of [
      await encodeJpeg(smooth, 95),
      await sharp(await encodePng(smooth))
        .webp({ lossless: true })
        .toBuffer(),
    ]) {
      const { data } = await decoder.decode(new Uint8Array(bytes), 'x')
      expect(Math.max(...data.map((value, i) => Math.abs(value - (smooth.data[i] ?? 0))))).toBeLessThan(24)
      expect(probeImageSize(new Uint8Array(bytes))).toEqual({ width: 16, height: 16 })
    }
  })

  test('broken files say which', async () => {
    const png = await encodePng(gradient(20, 20))
    expect(await failure(() => decoder.decode(text('not an image'), 'frame000000/images/a.png'))).toMatch(
      /^FormatError: frame000000\/images\/a.png: image: expected an image that can be decoded, got /,
    )
    expect(await failure(() => decoder.decode(new Uint8Array(0), 'a.png'))).toMatch(/a.png/)
    expect(await failure(() => decoder.decode(png.slice(0, png.length >> 1), 'a.png'))).toMatch(/a.png/)
    const jpeg = await encodeJpeg(gradient(64, 64))
    expect(await failure(() => decoder.decode(jpeg.slice(0, jpeg.length >> 1), 'a.jpg'))).toMatch(/a.jpg/)
  })

  test('fuzz', async () => {
    const seeds = [await encodePng(gradient(9, 9)), await encodeJpeg(gradient(9, 9))]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...seeds),
        fc.nat(400),
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }),
        async (seed, length, changes) => {
          const bytes = seed.slice(0, length < 200 ? undefined : length)
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
          probeImageSize(bytes)
          await survives(() => decoder.decode(bytes, 'fuzz'))
        },
      ),
      { numRuns: 100 },
    )
  })
})

test('numbers to bytes', () => {
  expect([
    ...quantize(Float32Array.of(0, 1, 0.5, -1, 2, Number.NaN, 1 / 255, 0.4 / 255, 0.6 / 255, 1 / 0, -1 / 0)),
  ]).toEqual([0, 255, 128, 0, 255, 0, 1, 0, 1, 255, 0])
  const all = { width: 256, height: 1, data: new Uint8Array(768).map((_, i) => i / 3) }
  expect(quantize(toFloatImage(all))).toEqual(all.data)
})

describe('resizing', () => {
  test('sizes round up', async () => {
    expect(downsampledSize({ width: 641, height: 360 }, 4)).toEqual({ width: 161, height: 90 })
    expect(downsampledSize({ width: 10, height: 10 }, 1)).toEqual({ width: 10, height: 10 })
    expect(downsampledSize({ width: 2, height: 1 }, 100)).toEqual({ width: 1, height: 1 })
    expect(await failure(() => downsampledSize({ width: 1, height: 1 }, 0))).toMatch(/downsample/)
  })

  test('ours agrees with a plain double precision filter', () => {
    const image = gradient(23, 17)
    const size = { width: 7, height: 5 }
    const ours = resizeLanczos(image, size)
    const plain = lanczosOracle(image, size)
    expect(Math.max(...ours.data.map((value, i) => Math.abs(value - (plain[i] ?? 0))))).toBeLessThan(1.6)
  })

  test('flat stays flat; up, down and one pixel', () => {
    for (const size of [
      { width: 3, height: 9 },
      { width: 1, height: 1 },
      { width: 20, height: 2 },
    ]) {
      const flat = { width: 10, height: 4, data: new Uint8Array(120).fill(201) }
      expect(new Set(resizeLanczos(flat, size).data)).toEqual(new Set([201]))
    }
  })

  const court = fixture('datasets/court-mini/frame000000/images/view000.jpg')
  test.skipIf(!court)('a photograph: close to the decoder’s own', async () => {
    const bytes = readFileSync(court ?? '')
    const whole = await decoder.decode(bytes, 'x')
    const size = downsampledSize(whole, 2)
    const theirs = await decoder.decode(bytes, 'x', size)
    const ours = resizeLanczos(whole, size)
    expect([theirs.width, theirs.height]).toEqual([80, 45])
    const errors = ours.data.map((value, i) => Math.abs(value - (theirs.data[i] ?? 0)))
    expect(errors.reduce((sum, value) => sum + value, 0) / errors.length).toBeLessThan(1)
    expect(Math.max(...errors)).toBeLessThan(12)
  })
})

/** Two-dimensional sum over the whole image with normalised weights. */
function lanczosOracle(image: RgbImage, { width, height }: { width: number; height: number }): number[] {
  const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x))
  const weights = (from: number, to: number, i: number) => {
    const scale = Math.max(1, from / to)
    const list = Array.from({ length: from }, (_, k) => {
      const x = (k + 0.5 - ((i + 0.5) * from) / to) / scale
      return Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0
    })
    const sum = list.reduce((a, b) => a + b, 0)
    return list.map((value) => value / sum)
  }
  const out: number[] = []
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const column = weights(image.height, height, y)
      const row = weights(image.width, width, x)
      for (let c = 0; c < 3; c++) {
        let sum = 0
        for (const [v, a] of column.entries()) {
          for (const [u, b] of row.entries()) sum += a * b * (image.data[(v * image.width + u) * 3 + c] ?? 0)
        }
        out.push(Math.max(0, Math.min(255, sum)))
      }
    }
  }
  return out
}

describe('image store', () => {
  const bytes = 6 * 5 * 3
  const open = async () => openDataset(await scene({ frames: 4 }), { clipSize: 2, hold: 3 })
  /** A decoder that counts, takes a moment and can be made to fail. */
  const watched = (fails: (file: string) => boolean = () => false) => {
    const seen = { now: 0, most: 0, files: [] as string[] }
    const wrapped: ImageDecoder = {
      async decode(data, file, size) {
        seen.now++
        seen.most = Math.max(seen.most, seen.now)
        seen.files.push(file)
        await new Promise((resolve) => setTimeout(resolve, 1))
        seen.now--
        if (fails(file)) throw new Error(`${file} failed`)
        return decoder.decode(data, file, size)
      },
    }
    return { seen, wrapped }
  }
  const everyView = (dataset: Dataset) =>
    dataset.frames.flatMap(({ index }) => dataset.cameras.map((camera) => ({ camera: camera.index, frame: index })))

  test('gives the image of the camera and frame, once decoded', async () => {
    const dataset = await open()
    const { seen, wrapped } = watched()
    const store = createImageStore(dataset, wrapped)
    const image = await store.get(2, 3)
    expect([image.width, image.height, image.data[0]]).toEqual([6, 5, redOf(2, 3)])
    expect(await store.get(2, 3)).toBe(image)
    const [a, b] = await Promise.all([store.get(1, 1), store.get(1, 1)])
    expect(a).toBe(b)
    expect([seen.files.length, store.bytesInUse]).toEqual([2, 2 * bytes])
  })

  test('stays within its bytes and its concurrency, and keeps what was used last', async () => {
    const dataset = await open()
    const { seen, wrapped } = watched()
    const store = createImageStore(dataset, wrapped, { maxBytes: 3 * bytes, concurrency: 2 })
    for (const { camera, frame } of everyView(dataset)) {
      await store.get(camera, frame)
      await store.get(0, 0)
      expect(store.bytesInUse).toBeLessThanOrEqual(3 * bytes)
    }
    expect(seen.files.length).toBe(12)
    await Promise.all(everyView(dataset).map(({ camera, frame }) => store.get(camera, frame)))
    expect([seen.most, store.bytesInUse]).toEqual([2, 3 * bytes])
  })

  test('streams in order, ahead of its reader', async () => {
    const dataset = await open()
    for (const maxBytes of [1, 3 * bytes, 1e9]) {
      const { seen, wrapped } = watched()
      const store = createImageStore(dataset, wrapped, { maxBytes, concurrency: 3 })
      const order = [...everyView(dataset), ...everyView(dataset).reverse()]
      const got: number[] = []
      for await (const { image } of store.stream(order)) {
        expect(store.bytesInUse).toBeLessThanOrEqual(Math.max(bytes, maxBytes) + bytes)
        got.push(image.data[0] ?? -1)
      }
      expect(got).toEqual(order.map(({ camera, frame }) => redOf(camera, frame)))
      if (maxBytes === 1e9) expect([seen.most, seen.files.length]).toEqual([3, 12])
    }
  })

  test('an endless order is read as far as needed', async () => {
    const dataset = await open()
    let asked = 0
    let closed = false
    const endless = function* () {
      try {
        for (;;) yield { camera: asked % 3, frame: ((asked++ / 3) % 4) | 0 }
      } finally {
        closed = true
      }
    }
    const store = createImageStore(dataset, decoder, { maxBytes: 4 * bytes })
    let seen = 0
    for await (const _ of store.stream(endless())) if (++seen === 30) break
    expect(asked).toBeLessThan(40)
    expect(closed).toBe(true)
  })

  test('a failure comes at its turn, names the file, and can be tried again', async () => {
    const dataset = await open()
    let broken = true
    const { wrapped } = watched((file) => broken && file.includes('frame000001/images/cam1'))
    const store = createImageStore(dataset, wrapped)
    const read = async () => {
      let count = 0
      for await (const _ of store.stream(everyView(dataset))) count++
      return count
    }
    await expect(read()).rejects.toThrow('frame000001/images/cam1.png failed')
    broken = false
    expect(await read()).toBe(12)
  })

  test('downsampled images have the size of the view', async () => {
    const dataset = await openDataset(await scene(), { clipSize: 2, hold: 3, downsample: 2 })
    const image = await createImageStore(dataset, decoder).get(1, 2)
    expect([image.width, image.height, image.data.length, image.data[0]]).toEqual([3, 3, 27, redOf(1, 2)])
  })

  test('views that are not there, images of another size', async () => {
    const files = await sceneFiles()
    files['frame000002/images/cam1.png'] = await picture(5, 6, 0)
    delete files['frame000003/images/cam0.png']
    const dataset = await openDataset(memoryFolder(files, 'scene'), { clipSize: 2, hold: 3, allowGaps: true })
    const store = createImageStore(dataset, decoder)
    expect(await failure(() => store.get(1, 2))).toMatchInlineSnapshot(
      `"FormatError: frame000002/images/cam1.png: size: expected 6x5 as camera cam1, got 5x6"`,
    )
    expect(await failure(() => store.get(0, 3))).toMatchInlineSnapshot(
      `"IoError: scene has no image of camera cam0 in frame 3"`,
    )
    expect(await failure(() => store.get(9, 0))).toMatchInlineSnapshot(`"OptionError: camera must be 0 to 2, got 9"`)
    expect(await failure(() => createImageStore(dataset, decoder, { maxBytes: 0 }))).toMatch(/maxBytes/)
    expect(await failure(() => createImageStore(dataset, decoder, { concurrency: 0 }))).toMatch(/concurrency/)
  })

  test('masks', async () => {
    const dataset = await openDataset(await scene({ masks: true }), { clipSize: 2, hold: 3, downsample: 2 })
    const bright = await createImageStore(dataset, decoder).mask(0, 0)
    const dark = await loadMask(dataset, decoder, { camera: 1, frame: 0 })
    expect([bright?.width, new Set(bright?.data), new Set(dark?.data)]).toEqual([3, new Set([255]), new Set([0])])
    expect(await loadMask(await open(), decoder, { camera: 0, frame: 0 })).toBeNull()
    expect((await loadImage(dataset, decoder, { camera: 1, frame: 0 })).data[0]).toBe(redOf(1, 0))
  })
})

test('transparent images over a colour', async () => {
  const { default: sharp } = await import('sharp')
  // Opaque, half and fully transparent.
  const pixels = Uint8Array.of(200, 100, 50, 255, 200, 100, 50, 128, 200, 100, 50, 0)
  const png = new Uint8Array(
    await sharp(pixels, { raw: { width: 3, height: 1, channels: 4 } })
      .png()
      .toBuffer(),
  )
  const over = async (background: readonly [number, number, number]) => [
    ...(await createNodeDecoder({ background }).decode(png, 'a.png')).data,
  ]
  const a = 128 / 255
  const blend = (c: number, under: number) => Math.round(c * a + under * (1 - a))
  const close = (actual: number[], expected: number[]) =>
    actual.forEach((value, i) => {
      expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1)
    })
  close(await over([1, 1, 1]), [200, 100, 50, ...[200, 100, 50].map((c) => blend(c, 255)), 255, 255, 255])
  close(await over([0, 0, 0]), [200, 100, 50, ...[200, 100, 50].map((c) => blend(c, 0)), 0, 0, 0])
  expect([...(await createNodeDecoder().decode(png, 'a.png')).data].slice(6)).toEqual([200, 100, 50])
  expect(() => createNodeDecoder({ background: [0, 0, 2] })).toThrow(/background must be/)
})
