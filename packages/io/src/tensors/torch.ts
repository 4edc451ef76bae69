import { FormatError, shown } from '../errors.js'
import { type ByteSource, bytesSource } from '../vfs/vfs.js'
import { readZipEntry } from '../vfs/zip.js'
import { readZipDirectory, type ZipEntry } from '../vfs/zip-directory.js'
import type { NamedArray } from './array.js'
import { runPickle } from './pickle.js'
import { readTorchPickles } from './torch-pickles.js'
import { tensorCalls, tensorsOf } from './torch-tensors.js'

/**
 * The tensors of a PyTorch state dictionary (`torch.save(module.state_dict(), file)`): the zip container of PyTorch 1.6
 * and newer, or the pickles one after another of PyTorch before that. Pickles are read as data: only `OrderedDict`,
 * `torch._utils._rebuild_tensor_v2` and `torch._utils._rebuild_tensor` over plain storages are known, nothing is looked
 * up or run, and anything else is a `FormatError`, also the tar archives of the first PyTorch versions.
 */
export async function readTorchState(
  archive: Uint8Array | ByteSource,
  file = 'state.pth',
): Promise<Map<string, NamedArray>> {
  const source = archive instanceof Uint8Array ? bytesSource(archive, file) : archive
  // Every pickle since protocol 2 begins with the byte 0x80; a zip archive with PK.
  const [first] = await source.read(0, Math.min(1, source.size))
  if (first === 0x80) return readTorchPickles(source)
  const mark = source.size < 262 ? '' : String.fromCharCode(...(await source.read(257, 262)))
  if (mark === 'ustar') {
    throw new FormatError(
      source.name,
      'start',
      'a zip archive or pickles; save the file with PyTorch anew',
      'a tar archive',
    )
  }
  return readZip(source)
}

async function readZip(source: ByteSource): Promise<Map<string, NamedArray>> {
  const entries = new Map<string, ZipEntry>()
  for (const entry of await readZipDirectory(source)) {
    if (entries.has(entry.name)) throw new FormatError(source.name, 'archive', 'each name once', `${entry.name} twice`)
    entries.set(entry.name, entry)
  }
  const pickles = [...entries.keys()].filter((name) => /^([^/]+\/)?data\.pkl$/.test(name))
  const [pickle] = pickles
  if (pickle === undefined || pickles.length > 1) {
    throw new FormatError(source.name, 'archive', 'one data.pkl', `${pickles.length}`)
  }
  const root = pickle.slice(0, -'data.pkl'.length)
  const read = async (name: string, what: string): Promise<Uint8Array> => {
    const entry = entries.get(root + name)
    if (!entry) throw new FormatError(source.name, what, `an archive member ${root}${name}`, 'none')
    return readZipEntry(source, entry)
  }
  if (entries.has(`${root}byteorder`)) {
    const order = new TextDecoder().decode(await read('byteorder', 'byteorder'))
    if (order.trim() !== 'little') throw new FormatError(source.name, 'byteorder', 'little', shown(order))
  }
  const state = runPickle(await read('data.pkl', 'pickle'), source.name, tensorCalls(source.name))
  const storages = new Map<string, Uint8Array>()
  return tensorsOf(state.value, source.name, async ({ key }, tensor) => {
    const bytes = storages.get(key) ?? (await read(`data/${key}`, `tensor ${shown(tensor)}`))
    storages.set(key, bytes)
    return bytes
  })
}
