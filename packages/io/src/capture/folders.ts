import { imageExtensions } from '../images/probe.js'
import { compareNatural, extension, joinPath, normalizePath, stem } from '../vfs/path.js'
import type { Vfs, VfsEntry } from '../vfs/vfs.js'

export const videoExtensions: readonly string[] =
  'mp4 mov mkv avi webm m4v mts m2ts ts mxf mpg mpeg wmv flv 3gp ogv nut y4m'.split(' ')
export const maskFolders: readonly string[] = ['masks', 'mask', 'seg']

/** A source whose folders are listed once. */
export class Folders {
  readonly #listed = new Map<string, Promise<VfsEntry[]>>()

  constructor(readonly vfs: Vfs) {}

  /** What is directly in a folder; nothing when it is not there. */
  async list(folder: string): Promise<VfsEntry[]> {
    const path = normalizePath(folder)
    const known = this.#listed.get(path)
    if (known) return known
    const entries = this.#read(path)
    this.#listed.set(path, entries)
    return entries
  }

  async #read(path: string): Promise<VfsEntry[]> {
    if (path !== '') {
      const at = path.lastIndexOf('/')
      const parent = await this.list(path.slice(0, Math.max(0, at)))
      if (!parent.some(({ name, kind }) => kind === 'folder' && name === path.slice(at + 1))) return []
    }
    const entries = await this.vfs.list(path)
    return entries.filter(({ name }) => !name.startsWith('.'))
  }

  async names(folder: string, kind: VfsEntry['kind']): Promise<string[]> {
    return (await this.list(folder)).filter((entry) => entry.kind === kind).map(({ name }) => name)
  }

  async hasFile(path: string): Promise<boolean> {
    const clean = normalizePath(path)
    const at = clean.lastIndexOf('/')
    const names = await this.names(clean.slice(0, Math.max(0, at)), 'file')
    return names.includes(clean.slice(at + 1))
  }

  async hasFolder(path: string): Promise<boolean> {
    const at = path.lastIndexOf('/')
    return (await this.names(path.slice(0, Math.max(0, at)), 'folder')).includes(path.slice(at + 1))
  }

  /** Images directly in a folder, in natural order. */
  async images(folder: string): Promise<string[]> {
    const names = (await this.names(folder, 'file')).filter((name) => imageExtensions.includes(extension(name)))
    return names.sort(compareNatural).map((name) => joinPath(folder, name))
  }

  /** Videos directly in a folder, in natural order. */
  async videos(folder: string): Promise<string[]> {
    const names = (await this.names(folder, 'file')).filter((name) => videoExtensions.includes(extension(name)))
    return names.sort(compareNatural).map((name) => joinPath(folder, name))
  }

  /**
   * The mask of an image: the same path with one folder of it called `masks`, and the same name with any extension or with
   * one more (`a.jpg.png`).
   */
  async mask(image: string, folders: readonly string[]): Promise<string | null> {
    const parts = image.split('/')
    const file = parts.at(-1) ?? ''
    for (const folder of folders) {
      for (let i = parts.length - 2; i >= 0; i--) {
        const inside = [...parts.slice(0, i), folder, ...parts.slice(i + 1, -1)].join('/')
        const names = await this.names(inside, 'file')
        const found = names.find(
          (name) => (stem(name) === stem(file) || stem(name) === file) && imageExtensions.includes(extension(name)),
        )
        if (found !== undefined) return `${inside}/${found}`
      }
    }
    return null
  }
}
