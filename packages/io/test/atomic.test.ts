import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isLeftover, nodeFolder, removeLeftovers, writeAtomic, writeAtomicStream } from '@clipgstream/io/node'
import { expect, test } from 'vitest'

const temporary = () => mkdtempSync(join(tmpdir(), 'atomic-'))

test('writes, replaces, makes folders', async () => {
  const path = join(temporary(), 'a/b/c.bin')
  await writeAtomic(path, Uint8Array.of(1, 2, 3))
  await writeAtomic(path, 'new')
  expect(readFileSync(path, 'utf8')).toBe('new')
  expect(readdirSync(join(path, '..'))).toEqual(['c.bin'])
})

test('streams, and leaves the old content and no leftover when the stream fails', async () => {
  const folder = temporary()
  const path = join(folder, 'x')
  expect(await writeAtomicStream(path, [Uint8Array.of(1), Uint8Array.of(2, 3)])).toBe(3)
  const broken = (async function* () {
    yield Uint8Array.of(9)
    throw new Error('source ended')
  })()
  await expect(writeAtomicStream(path, broken)).rejects.toThrow('source ended')
  expect([...readFileSync(path)]).toEqual([1, 2, 3])
  expect(readdirSync(folder)).toEqual(['x'])
})

test('many writers of one file: the last whole one wins', async () => {
  const path = join(temporary(), 'x')
  await Promise.all(Array.from({ length: 20 }, (_, i) => writeAtomic(path, String(i).repeat(1000))))
  expect(readFileSync(path, 'utf8')).toMatch(/^(\d+?)\1{999}$/)
})

test('a killed writer leaves the old content and a leftover that is ignored and removed', async () => {
  const folder = temporary()
  const path = join(folder, 'state.bin')
  await writeAtomic(path, 'old')
  const child = fork(fileURLToPath(new URL('./killed-writer.mjs', import.meta.url)), [path], {
    execArgv: process.env['CLIPGSTREAM_DIST'] ? [] : ['--conditions=@clipgstream/source', '--import=tsx'],
    stdio: 'ignore',
  })
  await once(child, 'message')
  const leftovers = readdirSync(folder).filter(isLeftover)
  expect(leftovers.length).toBe(1)
  expect(await removeLeftovers(folder)).toEqual([])
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(readFileSync(path, 'utf8')).toBe('old')
  expect((await nodeFolder(folder).list('')).map(({ name }) => name)).toEqual(['state.bin'])
  expect(await removeLeftovers(folder)).toEqual(leftovers.map((name) => join(folder, name)))
  expect(readdirSync(folder)).toEqual(['state.bin'])
})

test('a leftover of an earlier process with our number is removed, a file like it is not', async () => {
  const folder = temporary()
  const names = [`.x.${process.pid}-00000000-1.partial`, 'x.partial', '.x.partial', `.x.${process.pid}-1.partial`]
  for (const name of names) writeFileSync(join(folder, name), '')
  expect(await removeLeftovers(folder)).toEqual([join(folder, names[0] ?? '')])
})
