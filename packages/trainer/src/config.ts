import { z } from 'zod'

const count = z.int().positive()
const rate = z.number().nonnegative()
const fraction = z.number().min(0).max(1)
/** A learning rate that decays exponentially from `initial` to `final`; 0 to 0 keeps the parameters fixed. */
const decayingRate = z
  .strictObject({ initial: rate, final: rate })
  .refine(({ initial, final }) => (initial === 0) === (final === 0), 'both ends are positive, or both are 0')

/** The 4D hash grid of a clip's spatio-temporal field. */
export const gridConfig = z.strictObject({
  levels: count.max(32),
  features: z.union([z.literal(1), z.literal(2), z.literal(4), z.literal(8)]),
  log2TableSize: z.int().min(3).max(24),
  baseResolution: z.int().min(2),
  growth: z.number().min(1),
  /** Vertices of the time axis at level 0; null follows the spatial resolution. */
  timeBaseResolution: z.int().min(2).nullable(),
  /** Growth of the time axis; null follows the spatial growth. */
  timeGrowth: z.number().min(1).nullable(),
  /** `wrapping` repeats the uint32 overflow of old tiny-cuda-nn; only for imported checkpoints. */
  indexing: z.enum(['exact', 'wrapping']),
})

/** The field behind the grid: a perceptron without biases, ReLU on both layers. */
export const fieldConfig = z.strictObject({
  hidden: count,
  /** Width of the dynamic feature, Cd. */
  features: count,
  /** What a source clip's field starts from. `previous` makes clip n depend on clip n - 1. */
  warmStart: z.enum(['none', 'reference', 'previous']),
})

/** Static features and the four decoders. */
export const decodersConfig = z.strictObject({
  /** Width of the static feature, Cs. */
  staticFeatures: count,
  /** `concatenate` gives the decoders Cs + Cd inputs; `add` needs Cs = Cd. */
  combination: z.enum(['concatenate', 'add']),
  /** Gaussians an anchor decodes into, K. */
  gaussiansPerAnchor: count,
  hidden: z.strictObject({ opacity: count, cov: count, color: count, offset: count }),
})

/** See the rasterizer's contract. */
export const rasterizerConfig = z.strictObject({
  near: z.number().positive(),
  dilation: z.number().nonnegative(),
  alphaMax: z.number().positive().max(1),
  alphaMin: fraction,
  transmittanceMin: fraction,
  extent: z.enum(['exact', 'three-sigma']),
  /** RGB behind everything. */
  background: z.tuple([fraction, fraction, fraction]),
})

/** (1 - dssim) L1 + dssim (1 - SSIM) + volume V */
export const lossConfig = z.strictObject({
  dssim: fraction,
  volume: z.number().nonnegative(),
})

/** Adam per parameter group. */
export const optimizerConfig = z.strictObject({
  /** Steps of a clip. */
  iterations: count,
  /** One step more, as the original counts. */
  extraStep: z.boolean(),
  /** Length of the learning rate decay in steps; null follows `iterations`. */
  decaySteps: count.nullable(),
  /** Over the last `share` of the steps all rates fall linearly to `factor` times what they would be. */
  cooldown: z.strictObject({ share: fraction, factor: fraction }).default({ share: 0, factor: 1 }),
  rates: z.strictObject({
    staticFeatures: decayingRate,
    scaling: decayingRate,
    /** Times the scene extent, see `sourceScale`. */
    field: decayingRate,
    opacity: decayingRate,
    cov: decayingRate,
    color: decayingRate,
    offset: decayingRate,
  }),
  /** What multiplies the field's rate in source clips: the extent as in the reference clip, or one as the original does. */
  sourceScale: z.enum(['extent', 'one']),
  beta1: fraction,
  beta2: fraction,
  epsilon: z.number().positive(),
  fieldEpsilon: z.number().positive(),
  /** Skip grid entries that a step does not touch; the original moves them on by their momentum. */
  lazyTable: z.boolean(),
  /** Gradients of the field are clamped to this size. */
  fieldGradientLimit: z.number().positive(),
})

/** Which views a step sees, and how. */
export const samplingConfig = z.strictObject({
  seed: z.int().nonnegative(),
  /** Train the last view of each epoch twice, as the original does. */
  repeatLastView: z.boolean(),
  /**
   * Cameras that a step draws, all of one frame, which is decoded once for all; the loss is their mean. Iterations stay what
   * `optimizer.iterations` says, each on so many photographs; rates stay too.
   */
  viewsPerStep: count.default(1),
  /** Images are divided by this factor. */
  downsample: z.number().min(1),
  /** `floored` cuts focal lengths to whole pixels, as the original does. */
  focal: z.enum(['exact', 'floored']),
  /** `centred` ignores the calibrated principal point, as the original does. */
  principalPoint: z.enum(['exact', 'centred']),
  /** Test cameras by name or index; null takes those that the dataset names, or every `hold`-th from the first. */
  testCameras: z.array(z.union([z.string(), z.int().nonnegative()])).nullable(),
  hold: count,
})

/** How the sequence is cut and what an anchor starts from. */
export const clipsConfig = z.strictObject({
  /** Frames a clip, M. */
  size: count,
  /** Times of a partial clip: i / M, or the original's i / F in training, requantised at rendering. */
  time: z.enum(['exact', 'quantized']),
  /** Which neighbour distances size the residual anchors; `reference` repeats the original's indexing. */
  residualScale: z.enum(['own', 'reference']),
  /**
   * Points whose root mean square distance to their 3 nearest neighbours reaches this are dropped, world units; null
   * takes half of the cloud's extent.
   */
  outlierDistance: z.number().positive().nullable(),
})

/** Anchor growing and pruning from screen-space gradients. */
export const growthConfig = z.strictObject({
  enabled: z.boolean(),
  statisticsFrom: z.int().nonnegative(),
  growFrom: z.int().nonnegative(),
  until: z.int().nonnegative(),
  interval: count,
  gradientThreshold: z.number().positive(),
  successThreshold: fraction,
  depth: count,
  voxelSize: z.number().positive(),
  /** Anchors whose mean summed opacity stays below are removed; 0 removes none. */
  pruneOpacity: z.number().nonnegative(),
})

/** An affine colour map a training camera, learned with the clip; their mean is kept at the identity. */
export const colorCompensationConfig = z.strictObject({
  enabled: z.boolean(),
  rate,
})

/** What is kept and said along the way. */
export const checkpointingConfig = z.strictObject({
  /** Steps between checkpoints of the running clip; null writes one only when the run is stopped. */
  every: count.nullable(),
  /** Steps between `step` events. */
  logEvery: count,
  /** Iterations at which test views are measured. */
  evaluateAt: z.array(count),
})

/** How steps are run: what is learned changes by rounding alone, so that a run may go on with other values. */
export const executionConfig = z.strictObject({
  /** On cuda, repeat captured steps instead of launching their kernels one by one. */
  graph: z.boolean(),
  /** Bytes of the device for photographs that stay there; null takes half of what is free on cuda, and none elsewhere. */
  imageBytes: z.int().nonnegative().nullable(),
  /**
   * Of products in decoders and field while training on cuda, see @clipgstream/decoders: `tf32x3` rounds like `fp32`, `mixed`
   * does so forward, `tf32` does not.
   */
  precision: z.enum(['fp32', 'tf32x3', 'mixed', 'tf32']).default('fp32'),
  /** What steps read the grid's table in. `f16` is a rounded copy; gradients, moments and the table itself stay f32. */
  table: z.enum(['f32', 'f16']).default('f32'),
})

/** Parts of the method left out, for comparison. */
export const ablationConfig = z.strictObject({
  residualAnchors: z.boolean(),
  inheritDecoders: z.boolean(),
  /** Every clip learns its own anchors, decoders and field, like a reference clip. */
  independentClips: z.boolean(),
})

export const configSchema = z
  .strictObject({
    grid: gridConfig,
    field: fieldConfig,
    decoders: decodersConfig,
    rasterizer: rasterizerConfig,
    loss: lossConfig,
    optimizer: optimizerConfig,
    sampling: samplingConfig,
    clips: clipsConfig,
    growth: growthConfig,
    colorCompensation: colorCompensationConfig,
    checkpointing: checkpointingConfig,
    execution: executionConfig.default({ graph: true, imageBytes: null, precision: 'fp32', table: 'f32' }),
    ablation: ablationConfig,
  })
  .refine((c) => c.decoders.combination !== 'add' || c.decoders.staticFeatures === c.field.features, {
    path: ['decoders', 'combination'],
    message: 'add needs decoders.staticFeatures equal to field.features',
  })

export type GridSettings = z.infer<typeof gridConfig>
export type GrowthSettings = z.infer<typeof growthConfig>
export type Config = z.infer<typeof configSchema>

/** A configuration of which any part may be left out. */
export type PartialConfig = { [Key in keyof Config]?: DeepPartial<Config[Key]> }

type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [Key in keyof T]?: DeepPartial<T[Key]> }
    : T
