import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createBrowserDecoder } from '@clipgstream/io'
import { createNodeDecoder } from '@clipgstream/io/node'
import { afterEach, expect, test, vi } from 'vitest'
import { failure, text } from './helpers.js'
import { picture } from './scene.js'

test('only the node half imports node and sharp', () => {
  const root = fileURLToPath(new URL('../src', import.meta.url))
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  const offenders = files.filter((name) => {
    return !name.startsWith('node') && /from '(node:|sharp|.*\/node\/)/.test(readFileSync(`${root}/${name}`, 'utf8'))
  })
  expect(files.length).toBeGreaterThan(30)
  expect(offenders).toEqual([])
})

afterEach(() => vi.unstubAllGlobals())

/** Stands in for the browser's codecs: decodes with the node decoder and hands out RGBA. */
function stubBrowser(): void {
  const node = createNodeDecoder()
  vi.stubGlobal('createImageBitmap', async (blob: Blob, options: ImageBitmapOptions) => {
    expect(options).toEqual({ imageOrientation: 'none', premultiplyAlpha: 'none', colorSpaceConversion: 'none' })
    const image = await node.decode(new Uint8Array(await blob.arrayBuffer()), 'stub')
    return { ...image, close: () => {} }
  })
  vi.stubGlobal(
    'OffscreenCanvas',
    class {
      getContext() {
        let drawn = { data: new Uint8Array(0) }
        return {
          drawImage: (image: { data: Uint8Array<ArrayBuffer> }) => {
            drawn = image
          },
          getImageData: (_x: number, _y: number, width: number, height: number) => {
            const data = new Uint8ClampedArray(width * height * 4).fill(255)
            for (let i = 0; i < width * height; i++) data.set(drawn.data.subarray(i * 3, i * 3 + 3), i * 4)
            return { width, height, data }
          },
        }
      }
    },
  )
}

test('the browser decoder gives what the node decoder gives', async () => {
  stubBrowser()
  const bytes = await picture(12, 9, 200)
  expect(await createBrowserDecoder().decode(bytes, 'a.png')).toEqual(await createNodeDecoder().decode(bytes, 'a.png'))
  const small = await createBrowserDecoder().decode(bytes, 'a.png', { width: 4, height: 3 })
  expect([small.width, small.height, small.data[0]]).toEqual([4, 3, 200])
  expect(await failure(() => createBrowserDecoder().decode(text('no'), 'a.png'))).toMatch(/^FormatError: a.png: image/)
})
