import { lookAt } from '@clipgstream/camera'
import { createRandom } from '@clipgstream/tensor'
import {
  type Clip,
  type Config,
  clipsOf,
  type PartialConfig,
  resolveConfig,
  type TrainingData,
} from '@clipgstream/trainer'

const width = 32
const height = 24

/** A few coloured discs, one of them moving, seen by four cameras; every fourth is a test camera. */
export function tinyData({ frames = 5, clipSize = 3, points = 60, residual = 6, cameras = 4 } = {}): TrainingData & {
  reads: string[]
} {
  const views = Array.from({ length: cameras }, (_, i) => {
    const angle = (i / cameras) * 1.2 - 0.6
    const eye = [3 * Math.sin(angle), -0.4, -3 * Math.cos(angle)] as const
    return lookAt(eye, [0, 0, 0], [0, -1, 0], {
      width,
      height,
      fx: 30,
      fy: 30,
      cx: width / 2 + 0.3,
      cy: height / 2 - 0.2,
    })
  })
  const cloud = (seed: number, n: number) => {
    const random = createRandom(seed)
    return Float32Array.from({ length: 3 * n }, () => random.uniform() * 1.6 - 0.8)
  }
  const reads: string[] = []
  return {
    reads,
    cameras: views.map((view, i) => ({ name: `cam${i}`, view, test: i === 0 })),
    frames,
    clips: clipsOf(frames, clipSize),
    fingerprint: `tiny ${frames} ${clipSize} ${points} ${residual} ${cameras}`,
    async image(camera, frame) {
      reads.push(`${camera}:${frame}`)
      return drawDiscs(camera, frame)
    },
    cloud: async (clip) => (clip === 0 ? cloud(1, points) : residual > 0 ? cloud(10 + clip, residual) : null),
  }
}

function drawDiscs(camera: number, frame: number): Uint8Array {
  const image = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3
      const inside = (cx: number, cy: number, r: number) => (x - cx) ** 2 + (y - cy) ** 2 < r * r
      const color = inside(10 + camera, 12, 5)
        ? [200, 80, 40]
        : inside(20 + frame - camera, 10, 4)
          ? [40, 120, 220]
          : [60, 60, 50]
      image.set(color, at)
    }
  }
  return image
}

/** Small widths and few steps. */
export function tinyConfig(over: PartialConfig = {}, clipSize = 3): Config {
  const base: PartialConfig = {
    colorCompensation: { enabled: false },
    grid: {
      levels: 3,
      features: 2,
      log2TableSize: 8,
      baseResolution: 4,
      growth: 1.7,
      timeBaseResolution: 3,
      timeGrowth: 1.2,
    },
    field: { hidden: 8, features: 4 },
    decoders: {
      staticFeatures: 4,
      gaussiansPerAnchor: 2,
      hidden: { opacity: 8, cov: 8, color: 8, offset: 8 },
    },
    optimizer: { iterations: 20 },
    clips: { size: clipSize },
    checkpointing: { every: 10, logEvery: 5, evaluateAt: [20] },
  }
  return resolveConfig({ file: base, overrides: over })
}

export function firstClip(data: TrainingData): Clip {
  const [clip] = data.clips
  if (!clip) throw new Error('no clip')
  return clip
}
