// The rasterizer in plain JavaScript: the same tiles, order and thresholds as the kernels. In each tile a splat visits, row
// by row, just the span of pixels inside its ellipse.
import type { View } from '@clipgstream/camera'
import type { RasterizerConfig } from '@clipgstream/rasterizer'
import {
  projectBackward,
  projectSplats,
  type SceneGradients,
  type SplatGradients,
  type SplatScene,
  type Splats,
} from './splats.js'
import { listTiles, type TileLists } from './tiles.js'

export interface PlainImage {
  image: Float32Array // [H, W, 3]
  /** Final transmittance. */
  transmittances: Float32Array
  /** Entries of its tile that each pixel has looked at before it was finished. */
  stops: Uint32Array
  splats: Splats
  lists: TileLists
}

export function plainRender(scene: SplatScene, view: View, config: RasterizerConfig): PlainImage {
  const { width, height } = view
  const splats = projectSplats(scene, view, config)
  const lists = listTiles(splats, view)
  const image = new Float32Array(3 * width * height)
  const transmittances = new Float32Array(width * height).fill(1)
  const stops = new Uint32Array(width * height).fill(0xffffffff)
  const { u, v, conic, reach, halfHeight } = splats
  const columns = Math.ceil(width / 16)
  for (let tile = 0; tile < lists.starts.length - 1; tile++) {
    const left = 16 * (tile % columns)
    const top = 16 * Math.floor(tile / columns)
    const right = Math.min(left + 15, width - 1)
    const bottom = Math.min(top + 15, height - 1)
    let open = (right - left + 1) * (bottom - top + 1)
    const end = lists.starts[tile + 1]!
    for (let entry = lists.starts[tile]!; entry < end && open > 0; entry++) {
      const i = lists.entries[entry]!
      const a = conic[3 * i]!
      const b = conic[3 * i + 1]!
      const c = conic[3 * i + 2]!
      const opacity = scene.opacities[i]!
      const red = scene.colors[3 * i]!
      const green = scene.colors[3 * i + 1]!
      const blue = scene.colors[3 * i + 2]!
      const x = u[i]! - 0.5
      const y = v[i]! - 0.5
      const last = Math.min(bottom, Math.floor(y + halfHeight[i]!))
      for (let row = Math.max(top, Math.ceil(y - halfHeight[i]!)); row <= last; row++) {
        const dy = row - y
        const middle = (-b * dy) / a
        const half = Math.sqrt(Math.max(0, reach[i]! / a - (dy * dy * (a * c - b * b)) / (a * a)))
        const lastColumn = Math.min(right, Math.floor(x + middle + half))
        for (let column = Math.max(left, Math.ceil(x + middle - half)); column <= lastColumn; column++) {
          const pixel = row * width + column
          if (stops[pixel]! !== 0xffffffff) continue
          const dx = column - x
          const full = opacity * Math.exp(-0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy))
          const alpha = Math.min(full, config.alphaMax)
          if (alpha < config.alphaMin) continue
          const before = transmittances[pixel]!
          const after = before * (1 - alpha)
          if (after < config.transmittanceMin) {
            stops[pixel] = entry
            open--
            continue
          }
          const weight = alpha * before
          image[3 * pixel]! += weight * red
          image[3 * pixel + 1]! += weight * green
          image[3 * pixel + 2]! += weight * blue
          transmittances[pixel] = after
        }
      }
    }
  }
  return { image, transmittances, stops, splats, lists }
}

export interface PlainRasterGradients extends SceneGradients {
  vOpacities: Float32Array
  vColors: Float32Array
}

/** Over black; vImage // [H, W, 3] */
export function plainRenderBackward(
  scene: SplatScene,
  view: View,
  config: RasterizerConfig,
  { splats, lists, transmittances: final, stops }: PlainImage,
  vImage: Float32Array,
): PlainRasterGradients {
  const { width, height } = view
  const n = scene.opacities.length
  const gradients: SplatGradients = {
    vUv: new Float64Array(2 * n),
    vConic: new Float64Array(3 * n),
    vOpacities: new Float32Array(n),
    vColors: new Float32Array(3 * n),
  }
  const transmittances = final.slice()
  const behind = new Float32Array(width * height)
  const { u, v, conic, reach, halfHeight } = splats
  const columns = Math.ceil(width / 16)
  for (let tile = 0; tile < lists.starts.length - 1; tile++) {
    const left = 16 * (tile % columns)
    const top = 16 * Math.floor(tile / columns)
    const right = Math.min(left + 15, width - 1)
    const bottom = Math.min(top + 15, height - 1)
    for (let entry = lists.starts[tile + 1]! - 1; entry >= lists.starts[tile]!; entry--) {
      const i = lists.entries[entry]!
      const a = conic[3 * i]!
      const b = conic[3 * i + 1]!
      const c = conic[3 * i + 2]!
      const opacity = scene.opacities[i]!
      const red = scene.colors[3 * i]!
      const green = scene.colors[3 * i + 1]!
      const blue = scene.colors[3 * i + 2]!
      const x = u[i]! - 0.5
      const y = v[i]! - 0.5
      let vRed = 0
      let vGreen = 0
      let vBlue = 0
      let w = 0
      let wx = 0
      let wy = 0
      let wxx = 0
      let wxy = 0
      let wyy = 0
      const last = Math.min(bottom, Math.floor(y + halfHeight[i]!))
      for (let row = Math.max(top, Math.ceil(y - halfHeight[i]!)); row <= last; row++) {
        const dy = row - y
        const middle = (-b * dy) / a
        const half = Math.sqrt(Math.max(0, reach[i]! / a - (dy * dy * (a * c - b * b)) / (a * a)))
        const lastColumn = Math.min(right, Math.floor(x + middle + half))
        for (let column = Math.max(left, Math.ceil(x + middle - half)); column <= lastColumn; column++) {
          const pixel = row * width + column
          if (stops[pixel]! <= entry) continue
          const dx = column - x
          const full = opacity * Math.exp(-0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy))
          const alpha = Math.min(full, config.alphaMax)
          if (alpha < config.alphaMin) continue
          const inverse = 1 / (1 - alpha)
          const before = transmittances[pixel]! * inverse
          transmittances[pixel] = before
          const r = vImage[3 * pixel]!
          const g = vImage[3 * pixel + 1]!
          const bl = vImage[3 * pixel + 2]!
          const weight = alpha * before
          vRed += weight * r
          vGreen += weight * g
          vBlue += weight * bl
          const value = before * (r * red + g * green + bl * blue)
          const hidden = behind[pixel]!
          behind[pixel] = hidden + alpha * value
          if (full > config.alphaMax) continue
          const here = (value - hidden * inverse) * alpha
          w += here
          wx += here * dx
          wy += here * dy
          wxx += here * dx * dx
          wxy += here * dx * dy
          wyy += here * dy * dy
        }
      }
      gradients.vColors[3 * i]! += vRed
      gradients.vColors[3 * i + 1]! += vGreen
      gradients.vColors[3 * i + 2]! += vBlue
      gradients.vOpacities[i]! += w / opacity
      gradients.vUv[2 * i]! += a * wx + b * wy
      gradients.vUv[2 * i + 1]! += b * wx + c * wy
      gradients.vConic[3 * i]! -= wxx / 2
      gradients.vConic[3 * i + 1]! -= wxy
      gradients.vConic[3 * i + 2]! -= wyy / 2
    }
  }
  return {
    ...projectBackward(scene, view, splats, gradients),
    vOpacities: gradients.vOpacities,
    vColors: gradients.vColors,
  }
}
