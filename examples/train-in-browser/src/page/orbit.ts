import { cameraCentre, orbitPath, scaleView, sceneFocus, sceneUp, type Vec3, type View } from '@clipgstream/camera'

/** As far as the camera may rise and sink, radians. */
const steepest = 1.45

/** A camera that is dragged around the focus of a scene's cameras. */
export class Orbit {
  readonly #focus: Vec3
  readonly #up: Vec3
  #view: View
  /** Where dragging began, and what it has done since. */
  #from: View
  #turn = 0
  #rise = 0
  #nearness = 1

  constructor(
    views: readonly View[],
    private readonly scale: number,
  ) {
    const [first] = views
    if (!first) throw new Error('the dataset has no camera')
    this.#focus = sceneFocus(views)
    this.#up = sceneUp(views)
    this.#from = first
    this.#view = first
  }

  /** The picture that is wanted. */
  get view(): View {
    const { width, height } = this.#view
    return scaleView(this.#view, Math.round(width * this.scale), Math.round(height * this.scale))
  }

  /** Looks exactly as a camera does. */
  lookAs(view: View): void {
    this.#from = view
    this.#view = view
    this.#turn = 0
    this.#rise = 0
    this.#nearness = 1
  }

  /** Turns by parts of the picture's width and height. */
  drag(x: number, y: number): void {
    this.#turn -= x / 2
    this.#rise += y * 2
    this.#move()
  }

  /** Comes nearer, above 1, or goes away. */
  zoom(factor: number): void {
    this.#nearness = Math.min(20, Math.max(0.05, this.#nearness * factor))
    this.#move()
  }

  #move(): void {
    const arm = cameraCentre(this.#from).map((value, i) => value - (this.#focus[i] ?? 0))
    const along = arm.reduce((sum, value, i) => sum + value * (this.#up[i] ?? 0), 0)
    const across = Math.sqrt(Math.max(1e-12, arm.reduce((sum, value) => sum + value * value, 0) - along * along))
    const start = Math.atan2(along, across)
    const angle = Math.min(steepest, Math.max(-steepest, start + this.#rise))
    this.#rise = angle - start
    const distance = Math.hypot(along, across) / this.#nearness
    const circle = orbitPath([this.#from], {
      focus: this.#focus,
      up: this.#up,
      radius: distance * Math.cos(angle),
      height: distance * Math.sin(angle),
    })
    this.#view = circle(this.#turn - Math.floor(this.#turn))
  }
}

/** Lets pointer and wheel move an orbit; `moved` is called after each movement. */
export function bindOrbit(element: HTMLElement, orbit: () => Orbit | null, moved: () => void): void {
  element.addEventListener('pointerdown', (event) => element.setPointerCapture(event.pointerId))
  element.addEventListener('pointermove', (event) => {
    if (!element.hasPointerCapture(event.pointerId)) return
    orbit()?.drag(event.movementX / element.clientWidth, event.movementY / element.clientHeight)
    moved()
  })
  element.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault()
      orbit()?.zoom(Math.exp(-event.deltaY / 500))
      moved()
    },
    { passive: false },
  )
}
