/** The script of the page; WebGL 1 and a canvas for names, no library. */
export const viewerScript = `
'use strict'
const data = JSON.parse(document.getElementById('data').textContent)
const space = document.getElementById('space')
const labels = document.getElementById('labels')
const gl = space.getContext('webgl', { antialias: true, preserveDrawingBuffer: true })
const $ = (id) => document.getElementById(id)
if (!gl) {
  document.body.insertAdjacentHTML('beforeend', '<div id="failed">This browser offers no WebGL, which the page draws with.</div>')
  throw new Error('no WebGL')
}

// Vectors.
const add = (a, b, s = 1) => [a[0] + b[0] * s, a[1] + b[1] * s, a[2] + b[2] * s]
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
const unit = (a) => { const n = Math.hypot(...a) || 1; return a.map((v) => v / n) }

// The world's up and two directions across, in which yaw is counted.
const up = unit(data.up)
const east = unit(cross(up, Math.abs(up[0]) < 0.9 ? [1, 0, 0] : [0, 1, 0]))
const north = cross(up, east)
const home = { target: data.focus, yaw: 0.6, pitch: 0.55, distance: data.radius * 2.2, field: 50 }
let eye = { ...home }

function frame() {
  const flat = Math.cos(eye.pitch)
  const back = add(add(east.map((v) => v * Math.cos(eye.yaw) * flat), north, Math.sin(eye.yaw) * flat), up, Math.sin(eye.pitch))
  const right = unit(cross(up, back))
  return { back, right, above: cross(back, right), centre: add(eye.target, back, eye.distance) }
}

function matrix({ back, right, above, centre }) {
  const f = 1 / Math.tan((eye.field * Math.PI) / 360)
  const aspect = space.width / space.height
  const [near, far] = [data.radius * 0.002, data.radius * 60]
  const rows = [right, above, back]
  const view = []
  for (let c = 0; c < 3; c++) view.push(rows[0][c], rows[1][c], rows[2][c], 0)
  view.push(-dot(right, centre), -dot(above, centre), -dot(back, centre), 1)
  const a = (far + near) / (near - far)
  const b = (2 * far * near) / (near - far)
  const out = []
  for (let c = 0; c < 4; c++) {
    const [x, y, z, w] = view.slice(4 * c, 4 * c + 4)
    out.push((f / aspect) * x, f * y, a * z + b * w, -z)
  }
  return new Float32Array(out)
}

// Programs.
function program(vertex, fragment) {
  const made = gl.createProgram()
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind)
    gl.shaderSource(shader, 'precision highp float;' + text)
    gl.compileShader(shader)
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader))
    gl.attachShader(made, shader)
  }
  gl.linkProgram(made)
  return { made, at: (name) => gl.getAttribLocation(made, name), of: (name) => gl.getUniformLocation(made, name) }
}
const dots = program(
  'attribute vec3 place; attribute vec3 color; uniform mat4 view; uniform vec3 low; uniform vec3 side; uniform float size; varying vec3 tint;' +
  'void main() { gl_Position = view * vec4(low + place * side, 1.0); gl_PointSize = clamp(size / gl_Position.w, 1.0, 40.0); tint = color; }',
  'varying vec3 tint; void main() { gl_FragColor = vec4(tint, 1.0); }')
const lines = program(
  'attribute vec3 place; uniform mat4 view; void main() { gl_Position = view * vec4(place, 1.0); }',
  'uniform vec4 color; void main() { gl_FragColor = color; }')
const pictures = program(
  'attribute vec3 place; attribute vec2 spot; uniform mat4 view; varying vec2 uv; void main() { gl_Position = view * vec4(place, 1.0); uv = spot; }',
  'varying vec2 uv; uniform sampler2D image; void main() { gl_FragColor = vec4(texture2D(image, uv).rgb, 0.85); }')

function buffer(values) {
  const made = gl.createBuffer()
  gl.bindBuffer(gl.ARRAY_BUFFER, made)
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW)
  return made
}
function feed(at, from, count, type, normalized) {
  gl.bindBuffer(gl.ARRAY_BUFFER, from)
  gl.enableVertexAttribArray(at)
  gl.vertexAttribPointer(at, count, type, normalized, 0, 0)
}
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0))

// A cloud's buffers are made when it is first shown.
const clouds = data.clouds.map((cloud) => ({ ...cloud, made: null }))
function made(cloud) {
  if (!cloud.made) cloud.made = { positions: buffer(new Uint16Array(bytes(cloud.positions).buffer)), colors: buffer(bytes(cloud.colors)) }
  return cloud.made
}

const spots = buffer(new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]))
const cameras = data.cameras.map((camera) => {
  const own = { ...camera, lines: gl.createBuffer(), quad: gl.createBuffer(), texture: null }
  own.color = camera.flagged ? [1, 0.36, 0.36, 1] : camera.test ? [1, 0.76, 0.3, 1] : [0.42, 0.77, 1, 1]
  if (camera.image) {
    const image = new Image()
    image.onload = () => {
      own.texture = gl.createTexture()
      gl.bindTexture(gl.TEXTURE_2D, own.texture)
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, image)
      for (const [name, value] of [[gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]])
        gl.texParameteri(gl.TEXTURE_2D, name, value)
      redraw()
    }
    image.src = camera.image
  }
  return own
})
function shape() {
  const reach = Number($('reach').value) * data.radius
  for (const camera of cameras) {
    const c = camera.corners.map((corner) => add(camera.centre, corner, reach))
    const o = camera.centre
    // The mark on top says which side of the image is up.
    const top = add(add(c[0], c[1]), add(c[0], c[3], -1), 0.25).map((v, i) => v - (c[0][i] + c[1][i]) / 2)
    gl.bindBuffer(gl.ARRAY_BUFFER, camera.lines)
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([o, c[0], o, c[1], o, c[2], o, c[3], c[0], c[1], c[1], c[2], c[2], c[3], c[3], c[0], c[0], top, top, c[1]].flat()), gl.DYNAMIC_DRAW)
    gl.bindBuffer(gl.ARRAY_BUFFER, camera.quad)
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([c[0], c[1], c[3], c[2]].flat()), gl.DYNAMIC_DRAW)
  }
}

let through = null
function draw() {
  const scale = window.devicePixelRatio || 1
  for (const canvas of [space, labels]) {
    const [w, h] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)]
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h }
  }
  const now = frame()
  const view = matrix(now)
  gl.viewport(0, 0, space.width, space.height)
  gl.clearColor(0.08, 0.08, 0.09, 1)
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT)
  gl.enable(gl.DEPTH_TEST)
  const cloud = clouds[Number($('cloud') ? $('cloud').value : -1)]
  if (cloud) {
    const { positions, colors } = made(cloud)
    gl.useProgram(dots.made)
    gl.uniformMatrix4fv(dots.of('view'), false, view)
    gl.uniform3fv(dots.of('low'), cloud.low)
    gl.uniform3fv(dots.of('side'), cloud.high.map((v, i) => v - cloud.low[i]))
    gl.uniform1f(dots.of('size'), Number($('size').value) * space.height * data.radius * 0.006)
    feed(dots.at('place'), positions, 3, gl.UNSIGNED_SHORT, true)
    feed(dots.at('color'), colors, 3, gl.UNSIGNED_BYTE, true)
    gl.drawArrays(gl.POINTS, 0, cloud.count)
  }
  gl.enable(gl.BLEND)
  gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA)
  for (const camera of cameras) {
    if (camera === through) continue
    gl.useProgram(lines.made)
    gl.uniformMatrix4fv(lines.of('view'), false, view)
    gl.uniform4fv(lines.of('color'), camera.color)
    feed(lines.at('place'), camera.lines, 3, gl.FLOAT, false)
    gl.drawArrays(gl.LINES, 0, 20)
    if (!camera.texture || !$('images').checked) continue
    gl.useProgram(pictures.made)
    gl.uniformMatrix4fv(pictures.of('view'), false, view)
    gl.bindTexture(gl.TEXTURE_2D, camera.texture)
    feed(pictures.at('place'), camera.quad, 3, gl.FLOAT, false)
    feed(pictures.at('spot'), spots, 2, gl.FLOAT, false)
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4)
    gl.disableVertexAttribArray(pictures.at('spot'))
  }
  gl.disable(gl.BLEND)
  const pen = labels.getContext('2d')
  pen.clearRect(0, 0, labels.width, labels.height)
  pen.font = 12 * scale + 'px system-ui, sans-serif'
  pen.textAlign = 'center'
  for (const camera of cameras) {
    camera.spot = spot(view, camera.centre)
    if (!camera.spot || !camera.name || camera === through || !$('names').checked) continue
    pen.lineWidth = 3 * scale
    pen.strokeStyle = '#000a'
    pen.fillStyle = camera.flagged ? '#ff8a8a' : camera.test ? '#ffd27a' : '#a9dcff'
    const text = camera.test ? camera.name + ' (test)' : camera.name
    pen.strokeText(text, camera.spot[0], camera.spot[1] - 6 * scale)
    pen.fillText(text, camera.spot[0], camera.spot[1] - 6 * scale)
  }
}
function spot(m, [x, y, z]) {
  const w = m[3] * x + m[7] * y + m[11] * z + m[15]
  if (!(w > 0)) return null
  return [((m[0] * x + m[4] * y + m[8] * z + m[12]) / w * 0.5 + 0.5) * labels.width, (0.5 - (m[1] * x + m[5] * y + m[9] * z + m[13]) / w * 0.5) * labels.height]
}
let asked = false
function redraw() {
  if (asked) return
  asked = true
  requestAnimationFrame(() => { asked = false; draw() })
}

/** Stand where a camera stands and look where it looks. */
function lookThrough(camera) {
  through = camera
  const back = unit(camera.forward).map((v) => -v)
  const distance = Math.max(data.radius * 0.05, dot(add(data.focus, camera.centre, -1), camera.forward))
  const height = Math.hypot(...add(camera.corners[0], camera.corners[3], -1))
  eye = { target: add(camera.centre, back, -distance), yaw: Math.atan2(dot(back, north), dot(back, east)), pitch: Math.asin(Math.max(-1, Math.min(1, dot(back, up)))), distance, field: Math.max(10, Math.min(110, (Math.atan(height / 2) * 360) / Math.PI)) }
  redraw()
}

// Hands.
const touches = new Map()
let travelled = 0
space.addEventListener('pointerdown', (event) => {
  space.setPointerCapture(event.pointerId)
  touches.set(event.pointerId, event)
  travelled = 0
})
space.addEventListener('pointermove', (event) => {
  const before = touches.get(event.pointerId)
  if (!before) return
  const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY]
  touches.set(event.pointerId, event)
  travelled += Math.abs(dx) + Math.abs(dy)
  if (travelled < 4) return
  through = null
  if (touches.size > 1 || event.buttons & 6 || event.shiftKey) {
    const { right, above } = frame()
    const step = (eye.distance * 1.6) / space.clientHeight
    eye.target = add(add(eye.target, right, -dx * step), above, dy * step)
  } else {
    eye.yaw -= dx * 0.006
    eye.pitch = Math.max(-1.55, Math.min(1.55, eye.pitch + dy * 0.006))
  }
  redraw()
})
space.addEventListener('pointerup', (event) => {
  touches.delete(event.pointerId)
  if (travelled >= 4) return
  const scale = window.devicePixelRatio || 1
  const near = cameras.filter((camera) => camera.spot).map((camera) => [Math.hypot(camera.spot[0] - event.clientX * scale, camera.spot[1] - event.clientY * scale), camera]).sort((a, b) => a[0] - b[0])[0]
  if (near && near[0] < 24 * scale) lookThrough(near[1])
})
space.addEventListener('pointercancel', (event) => touches.delete(event.pointerId))
space.addEventListener('contextmenu', (event) => event.preventDefault())
space.addEventListener('wheel', (event) => {
  event.preventDefault()
  through = null
  eye.distance = Math.max(data.radius * 0.01, Math.min(data.radius * 20, eye.distance * Math.exp(event.deltaY * 0.001)))
  redraw()
}, { passive: false })
window.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return
  through = null
  eye = { ...home }
  redraw()
})
window.addEventListener('resize', redraw)
for (const input of document.querySelectorAll('#panel input, #panel select')) input.addEventListener('input', () => { shape(); redraw() })
const wanted = cameras.find((camera) => camera.name && '#' + encodeURIComponent(camera.name) === location.hash)
shape()
if (wanted) lookThrough(wanted)
else redraw()
`
