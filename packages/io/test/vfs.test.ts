import { mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  browserFolder,
  compareNatural,
  createManifest,
  type DirectoryHandle,
  fetchFolder,
  fileSource,
  joinPath,
  listFiles,
  memoryFolder,
  normalizePath,
  stem,
  subfolder,
  type Vfs,
  zipFolder,
} from '@clipgstream/io'
import { nodeFolder, writeAtomic } from '@clipgstream/io/node'
import { zipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { failure, text } from './helpers.js'

const content: Record<string, string> = {
  'a.txt': 'hello',
  'b/cam10.txt': 'ten',
  'b/cam2.txt': 'two',
  'b/c/deep é #1.txt': 'x'.repeat(5000),
}

const sources: Record<string, () => Promise<Vfs>> = {
  memory: async () => memoryFolder(content),
  zip: async () =>
    zipFolder(zipSync(Object.fromEntries(Object.entries(content).map(([path, file]) => [path, text(file)])))),
  'stored zip': async () => {
    const files = Object.fromEntries(Object.entries(content).map(([path, file]) => [path, text(file)]))
    return zipFolder(zipSync(files, { level: 0 }))
  },
  node: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vfs-'))
    for (const [path, file] of Object.entries(content)) await writeAtomic(join(folder, path), file)
    writeFileSync(join(folder, '.a.txt.1-00000000-1.partial'), 'half')
    return nodeFolder(folder)
  },
  files: async () => browserFolder(Object.entries(content).map(([path, file]) => pickedFile(`picked/${path}`, file))),
  handle: async () => browserFolder(directory('picked', content)),
  'fetch with ranges': async () => served(true),
  'fetch without ranges': async () => served(false),
}

function pickedFile(path: string, file: string): File {
  return Object.defineProperty(new File([file], path.split('/').at(-1) ?? ''), 'webkitRelativePath', { value: path })
}

function directory(name: string, files: Record<string, string>): DirectoryHandle {
  return {
    kind: 'directory',
    name,
    async *values() {
      const folders = new Set<string>()
      for (const [path, file] of Object.entries(files)) {
        const slash = path.indexOf('/')
        if (slash < 0) yield { kind: 'file' as const, name: path, getFile: async () => new Blob([file]) }
        else folders.add(path.slice(0, slash))
      }
      for (const folder of folders) {
        const inside = Object.entries(files).filter(([path]) => path.startsWith(`${folder}/`))
        yield directory(folder, Object.fromEntries(inside.map(([path, file]) => [path.slice(folder.length + 1), file])))
      }
    },
  }
}

async function served(ranges: boolean): Promise<Vfs> {
  const manifest = await createManifest(memoryFolder(content))
  return fetchFolder('http://host/data', {
    fetch: server({ ...content, 'manifest.json': JSON.stringify(manifest) }, ranges),
  })
}

function server(files: Record<string, string>, ranges: boolean): typeof fetch {
  return async (input, init) => {
    const file = files[decodeURIComponent(new URL(String(input)).pathname.slice('/data/'.length))]
    if (file === undefined) return new Response('', { status: 404 })
    const range = /^bytes=(\d+)-(\d+)$/.exec(new Headers(init?.headers).get('Range') ?? '')
    if (!range || !ranges) return new Response(file)
    return new Response(text(file).slice(Number(range[1]), Number(range[2]) + 1), { status: 206 })
  }
}

describe.each(Object.entries(sources))('%s', (_, open) => {
  test('lists, sizes, reads whole and in ranges', async () => {
    const vfs = await open()
    expect(await vfs.list('')).toEqual([
      { name: 'a.txt', kind: 'file' },
      { name: 'b', kind: 'folder' },
    ])
    expect((await vfs.list('b/')).map(({ name }) => name)).toEqual(['c', 'cam2.txt', 'cam10.txt'])
    expect(await listFiles(vfs)).toEqual(['a.txt', 'b/c/deep é #1.txt', 'b/cam2.txt', 'b/cam10.txt'])
    expect(await vfs.size('b/c/deep é #1.txt')).toBe(5000)
    expect(new TextDecoder().decode(await vfs.read('./b//cam10.txt'))).toBe('ten')
    expect(new TextDecoder().decode(await vfs.readRange('a.txt', 1, 3))).toBe('el')
    expect(new TextDecoder().decode(await vfs.readRange('a.txt', 3, 100))).toBe('lo')
    expect((await vfs.readRange('a.txt', 70, 100)).length).toBe(0)
    expect([await vfs.exists('b'), await vfs.exists('b/cam2.txt'), await vfs.exists('b/nothing')]).toEqual([
      true,
      true,
      false,
    ])
    const part = await fileSource(subfolder(vfs, 'b'), 'cam2.txt')
    expect([part.size, new TextDecoder().decode(await part.read(1, 3))]).toEqual([3, 'wo'])
  })

  test('what is not there, or outside', async () => {
    const vfs = await open()
    expect(await failure(() => vfs.read('b/nothing'))).toMatch(/^MissingFileError: .* has no b\/nothing$/)
    expect(await failure(() => vfs.list('nothing'))).toMatch(/^MissingFileError/)
    expect(await failure(() => vfs.size('b'))).toMatch(/^MissingFileError/)
    expect(await failure(() => vfs.read('b'))).toMatch(/^MissingFileError/)
    expect(await failure(() => vfs.readRange('a.txt', 3, 1))).toMatch(/range must be whole numbers/)
    for (const path of ['../a', 'b/../../a', '/etc/passwd', 'C:\\a', 'b\\a', 'a\0b', 'c:/x']) {
      expect(await failure(() => vfs.read(path))).toMatch(/^PathError/)
      expect(await failure(() => vfs.exists(path))).toMatch(/^PathError/)
      expect(await failure(() => subfolder(vfs, 'b').read(path))).toMatch(/^PathError/)
    }
  })
})

test('paths', async () => {
  expect(normalizePath('./a//b/./c/')).toBe('a/b/c')
  expect(joinPath('', 'a', 'b/c')).toBe('a/b/c')
  expect([stem('a/cam.00.jpg'), stem('.hidden'), stem('x')]).toEqual(['cam.00', '.hidden', 'x'])
  expect(await failure(() => normalizePath('a/../b'))).toMatchInlineSnapshot(
    `"PathError: path "a/../b" leaves its folder with ..; use a relative path with forward slashes inside the folder"`,
  )
  expect(['cam10', 'cam2', 'cam02', 'cam', 'cam2a', 'b', 'cam00012345678901234567890'].sort(compareNatural)).toEqual([
    'b',
    'cam',
    'cam02',
    'cam2',
    'cam2a',
    'cam10',
    'cam00012345678901234567890',
  ])
})

test('a link to a folder is a folder, a broken one is nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vfs-'))
  await writeAtomic(join(folder, 'real/x'), '1')
  symlinkSync(join(folder, 'real'), join(folder, 'link'))
  symlinkSync(join(folder, 'gone'), join(folder, 'broken'))
  expect((await nodeFolder(folder).list('')).map(({ name, kind }) => `${name} ${kind}`)).toEqual([
    'link folder',
    'real folder',
  ])
})

describe('zip', () => {
  const good = () => zipSync({ 'a/b.txt': text('hello hello hello hello hello') })
  const patched = (patch: (bytes: Uint8Array, view: DataView, central: number) => void) => {
    const bytes = good()
    const view = new DataView(bytes.buffer)
    let central = bytes.length - 22
    while (view.getUint32(central, true) !== 0x02014b50) central--
    patch(bytes, view, central)
    return bytes
  }
  const read = async (bytes: Uint8Array) => (await zipFolder(bytes)).read('a/b.txt')

  test.each<[string, (bytes: Uint8Array, view: DataView, central: number) => void, RegExp]>([
    ['a smaller size than true', (_, view, at) => view.setUint32(at + 24, 5, true), /CRC|29|5 bytes/],
    ['a larger size than true', (_, view, at) => view.setUint32(at + 24, 500, true), /expected 500 bytes, got 29/],
    ['a size beyond any ratio', (_, view, at) => view.setUint32(at + 24, 0x7fffffff, true), /sizes that can be true/],
    ['a wrong CRC', (_, view, at) => view.setUint32(at + 16, 7, true), /expected CRC 00000007/],
    ['an unknown method', (_, view, at) => view.setUint16(at + 10, 99, true), /method 0 \(stored\) or 8/],
    ['encryption', (_, view, at) => view.setUint16(at + 8, 1, true), /not encrypted/],
    ['an offset past the end', (_, view, at) => view.setUint32(at + 42, 1e9, true), /sizes that can be true/],
    ['an offset elsewhere', (_, view, at) => view.setUint32(at + 42, 3, true), /local file header/],
    ['too many entries', (bytes, view) => view.setUint16(bytes.length - 12, 900, true), /a directory before it/],
    [
      'a name that leaves the folder',
      (bytes, _, at) => bytes.set(text('../b.tx'), at + 46),
      /^PathError: .*leaves its folder/,
    ],
    ['an absolute name', (bytes, _, at) => bytes.set(text('/'), at + 46), /^PathError: .*is absolute/],
    ['a name that is not UTF-8', (bytes, _, at) => bytes.set([0xff], at + 46), /UTF-8/],
    ['broken content', (bytes) => bytes.fill(0xff, 37, 45), /FormatError/],
  ])('%s', async (_, patch, message) => {
    expect(await failure(() => read(patched(patch)))).toMatch(message)
  })

  test('no zip at all, a truncated one, a limit', async () => {
    expect(await failure(() => zipFolder(text('not a zip')))).toMatchInlineSnapshot(
      `"FormatError: zip: end: expected the end record of a zip archive, got 9 bytes without one"`,
    )
    expect(await failure(() => zipFolder(good().slice(0, -5)))).toMatch(/end record/)
    const small = await zipFolder(good(), { maxFileBytes: 10 })
    expect(await failure(() => small.read('a/b.txt'))).toMatchInlineSnapshot(
      `"IoError: zip/a/b.txt: unpacks to 29 bytes, more than the limit of 10; raise maxFileBytes"`,
    )
  })
})

describe('fetch', () => {
  test('manifests are checked', async () => {
    const open = (manifest: string) =>
      fetchFolder('http://host/data/', { fetch: server({ 'manifest.json': manifest }, true) })
    expect(await failure(() => open('nonsense'))).toMatch(/expected JSON/)
    expect(await failure(() => open('[1]'))).toMatchInlineSnapshot(
      `"FormatError: http://host/data/manifest.json: manifest: expected {"files": {path: bytes}}, got "[1]""`,
    )
    expect(await failure(() => open('{"files":{"../x":1}}'))).toMatch(/PathError/)
    expect(await failure(() => open('{"files":{"x":-1}}'))).toMatch(/a number of bytes/)
    expect(await failure(() => fetchFolder('http://host/data', { fetch: server({}, true) }))).toMatch(
      /^MissingFileError/,
    )
  })

  test('a file of another length, and a server that is down', async () => {
    const fetch = server({ 'x.txt': 'hello' }, true)
    const vfs = await fetchFolder('http://host/data', { manifest: { files: { 'x.txt': 9 } }, fetch })
    expect(await failure(() => vfs.read('x.txt'))).toMatchInlineSnapshot(
      `"FormatError: http://host/data/x.txt: length: expected 9 bytes, got 5"`,
    )
    const down = await fetchFolder('http://host/data', {
      manifest: { files: { 'x.txt': 9 } },
      fetch: async () => {
        throw new TypeError('fetch failed')
      },
    })
    expect(await failure(() => down.read('x.txt'))).toMatchInlineSnapshot(
      `"IoError: http://host/data/x.txt cannot be fetched: fetch failed"`,
    )
  })
})
