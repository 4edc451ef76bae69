import { cameraCentre, rotationOf, type Vec3, type View } from '@clipgstream/camera'
import { focusDistance } from './range.js'

/** How well one view serves another as a source. */
export interface Source {
  readonly view: number
  /** 0 to 1. */
  readonly score: number
}

/** The angle between two rays to a point that serves matching best, and how fast smaller and larger ones get worse. */
const bestAngle = 14
const tooSmall = 7
const tooLarge = 14
const worstScore = 0.02
/** Places in the picture and parts of the distance of the scene at which visibility is tried without points. */
const grid = [0.1, 0.3, 0.5, 0.7, 0.9]
const distances = [0.5, 0.75, 1, 1.4, 2]
const pointsOfView = 400

/**
 * For each view the others that see what it sees from an angle that is good to match, best first. A view's score is
 * the mean, over points that the reference sees, of a weight of the triangulation angle (1 at 14 degrees, Gaussian to
 * both sides: 7 degrees below, 14 above; the shape is that of Yao et al. 2018, MVSNet, for wider rigs) times the ratio
 * of the two resolutions, 0 where it does not see the point. Points are the sparse ones (points // [N, 3]), or, without
 * any, lie on a grid of rays around the distance of the scene.
 */
export function rankSources(views: readonly View[], points?: Float32Array): Source[][] {
  const cameras = views.map((view) => ({ view, centre: cameraCentre(view), rows: rotationOf(view) }))
  return cameras.map((reference, which) => {
    const seen = visiblePoints(views, which, points)
    const ranked = cameras.map((other, i): Source => {
      if (i === which || seen.length === 0) return { view: i, score: 0 }
      let sum = 0
      for (const point of seen) {
        const z = depthIn(other, point)
        if (z === null) continue
        const angle = angleAt(point, reference.centre, other.centre)
        const deviation = angle < bestAngle ? tooSmall : tooLarge
        const here = depthIn(reference, point) ?? z
        const ratio = (other.view.fx * here) / (reference.view.fx * z)
        sum += Math.exp(-((angle - bestAngle) ** 2) / (2 * deviation ** 2)) * Math.min(ratio, 1 / ratio)
      }
      return { view: i, score: sum / seen.length }
    })
    return ranked.filter(({ score }) => score > worstScore).sort((a, b) => b.score - a.score || a.view - b.view)
  })
}

/** A rig is sparse when the scores of a view's sources add up to less, in the median. */
const denseSum = 1.4

/**
 * How many others must confirm a surface by default: 2, or 1 where cameras are so far apart (about 25 degrees and more
 * on a ring) that hardly any surface is seen well by three.
 */
export function defaultAgreement(ranked: readonly (readonly Source[])[]): number {
  const sums = ranked.map((sources) => sources.reduce((sum, { score }) => sum + score, 0)).sort((a, b) => a - b)
  return (sums[sums.length >> 1] ?? 0) < denseSum ? 1 : 2
}

function visiblePoints(views: readonly View[], which: number, points: Float32Array | undefined): Vec3[] {
  const view = views[which]
  if (!view) return []
  const [right, down, forward] = rotationOf(view)
  const centre = cameraCentre(view)
  if (points) {
    const camera = { view, centre, rows: [right, down, forward] as const }
    const seen: Vec3[] = []
    for (let i = 0; i + 2 < points.length; i += 3) {
      const point: Vec3 = [points[i]!, points[i + 1]!, points[i + 2]!]
      if (depthIn(camera, point) !== null) seen.push(point)
    }
    const step = Math.max(1, Math.ceil(seen.length / pointsOfView))
    if (seen.length >= 20) return seen.filter((_, i) => i % step === 0)
  }
  const distance = focusDistance(views, which)
  return grid.flatMap((u) =>
    grid.flatMap((v) =>
      distances.map((part): Vec3 => {
        const z = part * distance
        const x = ((u * view.width - view.cx) / view.fx) * z
        const y = ((v * view.height - view.cy) / view.fy) * z
        const axis = (i: 0 | 1 | 2) => centre[i] + right[i] * x + down[i] * y + forward[i] * z
        return [axis(0), axis(1), axis(2)]
      }),
    ),
  )
}

/** Depth of a point in a camera, or null where it is not in the picture. */
function depthIn(
  { view, centre, rows }: { view: View; centre: Vec3; rows: readonly [Vec3, Vec3, Vec3] },
  point: Vec3,
): number | null {
  const d: Vec3 = [point[0] - centre[0], point[1] - centre[1], point[2] - centre[2]]
  const along = (row: Vec3) => row[0] * d[0] + row[1] * d[1] + row[2] * d[2]
  const z = along(rows[2])
  if (!(z > 0)) return null
  const x = (view.fx * along(rows[0])) / z + view.cx
  const y = (view.fy * along(rows[1])) / z + view.cy
  return x >= 0 && y >= 0 && x <= view.width && y <= view.height ? z : null
}

/** Degrees. */
function angleAt(point: Vec3, a: Vec3, b: Vec3): number {
  const u = [a[0] - point[0], a[1] - point[1], a[2] - point[2]] as const
  const v = [b[0] - point[0], b[1] - point[1], b[2] - point[2]] as const
  const cosine = (u[0] * v[0] + u[1] * v[1] + u[2] * v[2]) / (Math.hypot(...u) * Math.hypot(...v))
  return (Math.acos(Math.min(1, Math.max(-1, cosine))) * 180) / Math.PI
}
