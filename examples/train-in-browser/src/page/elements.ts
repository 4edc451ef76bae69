/** The element of this id, which the page has. */
export function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const element = document.getElementById(id)
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} called ${id}`)
  return element
}

export function fill(select: HTMLSelectElement, options: readonly { value: string; text: string }[]): void {
  select.replaceChildren(...options.map(({ value, text }) => new Option(text, value)))
}

/** A canvas for a worker to draw on, in place of the one before: control of a canvas is given away once. */
export function freshCanvas(stage: HTMLElement): OffscreenCanvas {
  const canvas = document.createElement('canvas')
  stage.replaceChildren(canvas)
  return canvas.transferControlToOffscreen()
}

export function download(name: string, bytes: Uint8Array<ArrayBuffer>): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([bytes], { type: 'application/zip' }))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}
