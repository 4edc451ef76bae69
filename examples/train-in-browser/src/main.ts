import type { FromWorker, SceneCamera, ToWorker } from './messages.js'
import { Chart } from './page/chart.js'
import { byId, download, fill, freshCanvas } from './page/elements.js'
import { acceptDrops, Form } from './page/form.js'
import { bindOrbit, Orbit } from './page/orbit.js'
import { statusOf } from './page/status.js'

type State = 'idle' | 'running' | 'paused' | 'stopped' | 'done'

const stage = byId('stage', HTMLDivElement)
const cameraChoice = byId('camera', HTMLSelectElement)
const frame = byId('frame', HTMLInputElement)
const drawn = byId('drawn', HTMLOutputElement)
const start = byId('start', HTMLButtonElement)
const pause = byId('pause', HTMLButtonElement)
const stop = byId('stop', HTMLButtonElement)
const save = byId('save', HTMLButtonElement)
const status = byId('status', HTMLParagraphElement)
const problem = byId('problem', HTMLParagraphElement)
const loss = new Chart(byId('loss', HTMLCanvasElement), 'loss', '', '#d60')
const psnr = new Chart(byId('psnr', HTMLCanvasElement), 'PSNR', ' dB', '#08c')

let worker: Worker | null = null
let orbit: Orbit | null = null
let cameras: SceneCamera[] = []
let scale = 1
let looks = 0

const form = createForm()
acceptDrops(form, complain)
bindOrbit(stage, () => orbit, look)
show('idle')

start.addEventListener('click', () => {
  if (start.dataset['goesOn']) goOn()
  else begin()
})
pause.addEventListener('click', () => {
  const paused = document.body.dataset['state'] !== 'paused'
  send({ type: 'pause', paused })
  show(paused ? 'paused' : 'running')
})
stop.addEventListener('click', () => send({ type: 'stop' }))
save.addEventListener('click', () => send({ type: 'save' }))
frame.addEventListener('input', look)
cameraChoice.addEventListener('change', () => {
  const camera = cameras[cameraChoice.selectedIndex]
  if (camera) orbit?.lookAs(camera.view)
  look()
})

function createForm(): Form {
  try {
    return new Form(new URLSearchParams(location.search))
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error))
    return new Form(new URLSearchParams())
  }
}

function begin(): void {
  complain(null)
  try {
    const { settings, source } = form
    scale = settings.scale
    worker?.terminate()
    worker = new Worker(new URL('./worker/main.ts', import.meta.url), { type: 'module' })
    worker.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => hear(data))
    worker.addEventListener('error', ({ message }) => complain(`The worker failed: ${message}`))
    loss.clear()
    psnr.clear()
    const canvas = freshCanvas(stage)
    worker.postMessage({ type: 'start', settings, source, canvas } satisfies ToWorker, [canvas])
    status.textContent = 'Opening the device and the dataset …'
    show('running')
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error))
  }
}

function goOn(): void {
  complain(null)
  const canvas = freshCanvas(stage)
  worker?.postMessage({ type: 'go-on', canvas } satisfies ToWorker, [canvas])
  show('running')
}

function send(message: ToWorker): void {
  worker?.postMessage(message)
}

function look(): void {
  if (!orbit) return
  send({ type: 'look', look: { number: ++looks, view: orbit.view, frame: Number(frame.value) } })
  stage.dataset['look'] = String(looks)
}

function hear(message: FromWorker): void {
  switch (message.type) {
    case 'device':
      byId('device', HTMLParagraphElement).textContent = `${message.label}: ${message.details}`
      return
    case 'scene':
      cameras = message.cameras
      orbit = new Orbit(
        cameras.map(({ view }) => view),
        scale,
      )
      fill(
        cameraChoice,
        cameras.map(({ name, test }) => ({ value: name, text: test ? `${name} (test)` : name })),
      )
      frame.max = String(message.frames - 1)
      look()
      return
    case 'drawn':
      drawn.textContent = `frame ${message.frame}, ${message.milliseconds.toFixed(0)} ms`
      stage.dataset['drawn'] = String(message.look)
      stage.dataset['iteration'] = String(message.iteration ?? 'end')
      return
    case 'problem': {
      const remedy =
        message.kept === null
          ? ''
          : `\nThe state after ${message.kept} steps is kept: go on from it here, or download it and resume elsewhere.`
      complain(message.message + remedy)
      show(message.kept === null ? 'idle' : 'stopped')
      return
    }
    case 'saved':
      download(message.name, message.bytes)
      return
    case 'event':
      hearOf(message.event)
  }
}

function hearOf(event: Extract<FromWorker, { type: 'event' }>['event']): void {
  const text = statusOf(event)
  if (text !== null) status.textContent = text
  if (event.type === 'clip-start') {
    loss.clear()
    psnr.clear()
  }
  if (event.type === 'step') {
    loss.add(event.iteration, event.loss)
    psnr.add(event.iteration, event.psnr)
  }
  if (event.type === 'evaluation') psnr.mark(event.iteration, event.psnr)
  if (event.type === 'aborted') show('stopped')
  if (event.type === 'done') show('done')
}

function show(state: State): void {
  document.body.dataset['state'] = state
  const busy = state === 'running' || state === 'paused'
  start.disabled = busy
  start.textContent = state === 'stopped' ? 'Go on' : 'Start'
  if (state === 'stopped') start.dataset['goesOn'] = 'yes'
  else delete start.dataset['goesOn']
  pause.disabled = stop.disabled = !busy
  pause.textContent = state === 'paused' ? 'Resume' : 'Pause'
  save.disabled = state === 'idle' || !worker
}

function complain(message: string | null): void {
  problem.hidden = message === null
  problem.textContent = message
}
