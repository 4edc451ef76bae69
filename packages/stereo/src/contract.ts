import type { View } from '@clipgstream/camera'
import type { Tensor } from '@clipgstream/tensor'

/**
 * Grey images of several views on a device. A word holds the grey levels (0 to 255) of a pixel, of the one to its right,
 * of the one below and of the one below right, from the lowest byte on; the border is repeated.
 */
export interface Pictures {
  /** [pixels of all views] */
  readonly words: Tensor<'u32'>
  readonly places: readonly Place[]
}

/** A view and where its pixels begin in tensors that hold those of all views. */
export interface Place {
  readonly view: View
  readonly first: number
}

/** The reference and its sources, as indices into {@link Pictures.places}. */
export interface Match {
  readonly reference: number
  /** At most {@link maxSources}. */
  readonly sources: readonly number[]
}

export interface PatchSettings {
  /** Samples along a side of the patch, odd, at most 7. Default 5. */
  readonly samples?: number
  /** Pixels between samples. Default 2. */
  readonly spacing?: number
  /** Standard deviation of the weight over the distance, in parts of half a side of the patch. Default 1. */
  readonly spatialDeviation?: number
  /** Standard deviation of the weight over the difference to the central grey level, 0 to 255. Default 16. */
  readonly greyDeviation?: number
  /** Standard deviation of the grey levels, 0 to 255, below which a patch has nothing to match. Default 1. */
  readonly minContrast?: number
}

export interface SearchSettings {
  /** The cost of a plane is the mean over as many sources, those that match best; 1 to 4. */
  readonly best: number
  /** Inverse depths, nearest above farthest above 0. */
  readonly nearest: number
  readonly farthest: number
}

/** One pass over both colours of the checkerboard. */
export interface SweepSettings {
  readonly seed: number
  /** Steps that the eight regions reach out, or 0 for the four nearest pixels alone. */
  readonly far: number
  /** Largest change of inverse depth, and of the slant (the tangent of an angle to the viewing ray), that are tried. */
  readonly depthScale: number
  readonly slantScale: number
  /** Random planes to try. */
  readonly randoms: number
}

export interface ConsistencySettings {
  /** Other views that must agree. */
  readonly agree: number
  /** Planes of a higher cost are no surfaces, 0 to 2. */
  readonly maxCost: number
  /** Largest distance of the pixel, after projection to the other's surface and back, in pixels. */
  readonly maxPixels: number
  /** Largest difference of inverse depths, in parts of it. */
  readonly maxDepth: number
  /** Largest angle between the normals, in degrees. */
  readonly maxNormalAngle: number
}

/** Sources that a match can have: the bits of a word. */
export const maxSources = 32
/** Pixels that a view can have: what single precision counts exactly. */
export const maxPixels = 2 ** 23

/**
 * The kernels of multi-view stereo.
 *
 * A plane at a pixel is three numbers: the inverse depth rho at the pixel's centre and its change per pixel to the right
 * and downwards, gx and gy. Inverse depth is linear over the picture of a plane: with the ray r = K^-1 (x, y, 1) and
 * the plane m . X = 1 it is m . r. So the homography that the plane induces (Hartley and Zisserman 2004, 13.1) takes
 * (x, y) in the reference to
 *
 *     K_s (R K_r^-1 (x, y, 1) + t rho(x, y)),   R = R_s R_r^T,   t = t_s - R t_r
 *
 * The cost of a plane for a source is 1 - NCC, in [0, 2], between the patch in the reference and the samples of the
 * source where the homography takes it, each value g with the bilateral weight (Schoenberger et al. 2016, equation 5)
 *
 *     w = exp(-(dx^2 + dy^2) / (2 spatial^2) - (g_r - g_r(centre))^2 / (2 grey^2))
 *
 *     NCC = cov_w(g_r, g_s) / sqrt(var_w(g_r) var_w(g_s))
 *
 * It is 2 where a variance is below that of `minContrast`, where the centre falls outside of the source and where a part
 * of the patch lies behind it; single samples outside repeat the border. Pixels of both images are sampled in grey.
 *
 * Sweeps follow Galliani et al. 2015 (checkerboard) and Xu and Tao 2019 (in each of eight regions the pixel of least
 * cost gives its plane).
 *
 * Tolerance of costs against float64: 2e-3, where the variances are above those of a contrast of 4 levels, because a
 * place in a source is known to 1e-4 pixels in single precision; near thresholds (contrast, border) it can flip to 2.
 * Planes of whole sweeps agree between devices by distribution only: one rounding decides between two planes.
 */
export interface StereoOperators {
  /** planes // [H, W, 4], of which the cost is not read. Returns [S, H, W]. */
  matchCosts(pictures: Pictures, match: Match, planes: Tensor<'f32'>, patch: PatchSettings): Tensor<'f32'>
  /**
   * Writes the best of `tries` random planes a pixel. planes // [pixels of all views, 4], of which those of the reference
   * are written: rho, gx, gy, cost; chosen // [H, W] one bit a source that counts, 0 where there is nothing to do (cost 3).
   */
  seedPlanes(work: Work, seed: number, tries: number): void
  /**
   * Writes the best of the four planes around in `coarse` // [pixels of all views of the coarser level, 4], whose views have
   * half the size, and leaves the bits of the `keep` best sources in chosen.
   */
  liftPlanes(work: Work, coarse: { planes: Tensor<'f32'>; place: Place }, keep: number): void
  /** Improves planes in place. */
  sweepPlanes(work: Work, sweep: SweepSettings): void
  /**
   * planes // [pixels of all views, 4]. Returns [H, W, 4]: inverse depth, averaged over the reference and all that agree,
   * gx and gy of the reference, and how many others agree (0 where fewer than asked do: there is no surface).
   * Tolerance 1e-5 relative; views at a threshold may flip.
   */
  checkConsistency(
    places: readonly Place[],
    match: Match,
    planes: Tensor<'f32'>,
    settings: ConsistencySettings,
  ): Tensor<'f32'>
}

/** What a search for planes works on. */
export interface Work {
  readonly pictures: Pictures
  readonly match: Match
  readonly patch: PatchSettings
  readonly search: SearchSettings
  /** [pixels of all views, 4], or of more. */
  readonly planes: Tensor<'f32'>
  /** Where the planes of the reference begin; those of its place when left out. */
  readonly base?: number
  /** [H, W] */
  readonly chosen: Tensor<'u32'>
}
