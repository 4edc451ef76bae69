/** A line of numbers over iterations on a small canvas, with points of a second kind. */
export class Chart {
  readonly #line: [number, number][] = []
  readonly #points: [number, number][] = []

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly title: string,
    private readonly unit: string,
    private readonly color: string,
  ) {
    this.#draw()
  }

  add(iteration: number, value: number): void {
    this.#add(this.#line, iteration, value)
  }

  mark(iteration: number, value: number): void {
    this.#add(this.#points, iteration, value)
  }

  clear(): void {
    this.#line.length = 0
    this.#points.length = 0
    this.#draw()
  }

  #add(list: [number, number][], iteration: number, value: number): void {
    if (!Number.isFinite(value)) return
    list.push([iteration, value])
    this.#draw()
  }

  #draw(): void {
    const context = this.canvas.getContext('2d')
    if (!context) return
    const { width, height } = this.canvas
    const all = [...this.#line, ...this.#points]
    const iterations = all.map(([iteration]) => iteration)
    const values = all.map(([, value]) => value)
    const [low, high] = [Math.min(...values), Math.max(...values)]
    const last = Math.max(1, ...iterations)
    const x = (iteration: number) => 4 + (iteration / last) * (width - 8)
    const y = (value: number) => height - 6 - ((value - low) / Math.max(high - low, 1e-9)) * (height - 30)
    context.clearRect(0, 0, width, height)
    context.strokeStyle = context.fillStyle = '#888'
    context.strokeRect(0.5, 0.5, width - 1, height - 1)
    context.font = '12px system-ui, sans-serif'
    context.fillText(this.#caption(low, high), 6, 15)
    context.strokeStyle = context.fillStyle = this.color
    context.lineWidth = 1.5
    context.beginPath()
    for (const [iteration, value] of this.#line) context.lineTo(x(iteration), y(value))
    context.stroke()
    for (const [iteration, value] of this.#points) context.fillRect(x(iteration) - 3, y(value) - 3, 6, 6)
  }

  #caption(low: number, high: number): string {
    const latest = this.#line.at(-1)
    if (!latest) return this.title
    const text = (value: number) => value.toPrecision(4)
    return `${this.title} ${text(latest[1])}${this.unit}   (${text(low)} to ${text(high)})`
  }
}
