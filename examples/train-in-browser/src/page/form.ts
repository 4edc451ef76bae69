import { presetNames } from '@clipgstream/trainer'
import type { Source } from '../messages.js'
import { devices, type Settings, settingsFrom } from '../settings.js'
import { byId, fill } from './elements.js'

/** The form of settings, begun with those of the address; and the dataset that was chosen. */
export class Form {
  readonly #source = byId('source', HTMLSelectElement)
  readonly #kind = byId('kind', HTMLSelectElement)
  readonly #preset = byId('preset', HTMLSelectElement)
  readonly #overrides = byId('overrides', HTMLTextAreaElement)
  readonly #points = byId('points', HTMLInputElement)
  readonly #scale = byId('scale', HTMLInputElement)
  readonly #every = byId('every', HTMLInputElement)
  readonly #clips: string | null
  readonly #sources: { name: string; source: Source }[] = [
    { name: 'court-mini, the sample', source: { kind: 'sample', url: new URL('sample', document.baseURI).href } },
  ]

  constructor(params: URLSearchParams) {
    fill(
      this.#kind,
      devices.map(({ name, text }) => ({ value: name, text })),
    )
    fill(
      this.#preset,
      presetNames.map((name) => ({ value: name, text: name })),
    )
    this.#showSources()
    this.#clips = params.get('clips')
    const settings = settingsFrom(params)
    this.#kind.value = settings.device
    this.#preset.value = settings.preset
    this.#overrides.value = settings.overrides.join('\n')
    this.#points.value = settings.points === null ? '' : String(settings.points)
    this.#scale.value = String(settings.scale)
    this.#every.value = String(settings.every)
    byId('folder', HTMLButtonElement).addEventListener('click', () => this.#pickFolder())
    const zip = byId('zip', HTMLInputElement)
    zip.addEventListener('change', () => {
      const file = zip.files?.[0]
      if (file) this.offer(file.name, { kind: 'zip', file })
    })
  }

  get source(): Source {
    const chosen = this.#sources[this.#source.selectedIndex]
    if (!chosen) throw new Error('choose a dataset')
    return chosen.source
  }

  /** @throws Error in words for what cannot be */
  get settings(): Settings {
    const params = new URLSearchParams({
      device: this.#kind.value,
      preset: this.#preset.value,
      scale: this.#scale.value,
      every: this.#every.value,
    })
    if (this.#clips !== null) params.set('clips', this.#clips)
    if (this.#points.value) params.set('points', this.#points.value)
    for (const line of this.#overrides.value.split('\n')) if (line.trim()) params.append('set', line.trim())
    return settingsFrom(params)
  }

  /** Puts a dataset into the list and chooses it. */
  offer(name: string, source: Source): void {
    this.#sources.push({ name, source })
    this.#showSources()
    this.#source.selectedIndex = this.#sources.length - 1
  }

  #showSources(): void {
    fill(
      this.#source,
      this.#sources.map(({ name }, index) => ({ value: String(index), text: name })),
    )
  }

  async #pickFolder(): Promise<void> {
    if (!('showDirectoryPicker' in window)) {
      alert('This browser does not let pages read folders; pack the dataset into a zip archive and choose that.')
      return
    }
    const pick: unknown = window.showDirectoryPicker
    if (typeof pick !== 'function') return
    // Rejected when the user thinks better of it.
    const handle: unknown = await pick.call(window).catch(() => null)
    if (handle instanceof FileSystemDirectoryHandle) this.offer(handle.name, { kind: 'folder', handle })
  }
}

/** Datasets are dropped as a folder, where the browser has handles of them, or as a zip archive. */
export function acceptDrops(form: Form, complain: (message: string) => void): void {
  const mark = (dropping: boolean) => document.body.classList.toggle('dropping', dropping)
  addEventListener('dragover', (event) => {
    event.preventDefault()
    mark(true)
  })
  addEventListener('dragleave', () => mark(false))
  addEventListener('drop', async (event) => {
    event.preventDefault()
    mark(false)
    const item = event.dataTransfer?.items[0]
    const file = item?.getAsFile()
    const handle = item ? await handleOf(item) : null
    if (handle instanceof FileSystemDirectoryHandle) form.offer(handle.name, { kind: 'folder', handle })
    else if (file?.name.toLowerCase().endsWith('.zip')) form.offer(file.name, { kind: 'zip', file })
    else complain('Drop the folder of a dataset, or a zip archive of it; browsers without folders take archives only.')
  })
}

async function handleOf(item: DataTransferItem): Promise<unknown> {
  if (!('getAsFileSystemHandle' in item) || typeof item.getAsFileSystemHandle !== 'function') return null
  return item.getAsFileSystemHandle()
}
