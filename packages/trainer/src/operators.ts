import { createHeads, type Heads, type HeadsConfig, type HeadsOptions } from '@clipgstream/decoders'
import { type AnchorOperators, createAnchorOperators } from '@clipgstream/gaussians'
import { createHashGrid, type HashGrid, type HashGridConfig } from '@clipgstream/hashgrid'
import {
  type ColorAffine,
  createColorAffine,
  createPhotometricLoss,
  createVolumeLoss,
  type PhotometricLoss,
  type VolumeLoss,
} from '@clipgstream/losses'
import { type Adam, createAdam } from '@clipgstream/optimizers'
import { createRasterizer, type Rasterizer } from '@clipgstream/rasterizer'
import type { Device } from '@clipgstream/tensor'
import type { Config, GridSettings } from './config.js'

export type TableType = 'f32' | 'f16'

export interface SceneOptions extends HeadsOptions {
  /** `f32` when left out. */
  table?: TableType
}

/** The spatio-temporal field of a clip: its grid, and the perceptron behind it. Clips may differ in its shape. */
export interface FieldOperators {
  readonly grid: HashGrid
  readonly fieldNet: Heads
  /** What forward passes read the grid's table in. */
  readonly table: TableType
}

/** What turns anchors into an image. */
export interface SceneOperators extends FieldOperators {
  readonly device: Device
  readonly anchors: AnchorOperators
  readonly decoders: Heads
  readonly rasterizer: Rasterizer
}

/** What training needs besides. */
export interface TrainingOperators extends SceneOperators {
  readonly photometric: PhotometricLoss
  readonly volume: VolumeLoss
  readonly colorAffine: ColorAffine
  readonly adam: Adam
}

export type SceneConfig = Pick<Config, 'grid' | 'field' | 'decoders' | 'rasterizer'>

const rasterizers = {
  wasm: () => import('@clipgstream/rasterizer-wasm-reference'),
  webgpu: () => import('@clipgstream/rasterizer-webgpu'),
  cuda: () => import('@clipgstream/rasterizer-cuda'),
}

export async function createSceneOperators(
  device: Device,
  config: SceneConfig,
  options: SceneOptions = {},
): Promise<SceneOperators> {
  const { background: _, ...rasterizerConfig } = config.rasterizer
  const [anchors, decoders, rasterizer, field] = await Promise.all([
    createAnchorOperators(device),
    createHeads(device, decoderShape(config), options),
    createRasterizer(device, rasterizers, rasterizerConfig),
    createFieldOperators(device, config, options),
  ])
  return { device, anchors, decoders, rasterizer, ...field }
}

export async function createFieldOperators(
  device: Device,
  { grid, field }: Pick<Config, 'grid' | 'field'>,
  options: SceneOptions = {},
): Promise<FieldOperators> {
  const [hashGrid, fieldNet] = await Promise.all([
    createHashGrid(device, gridShape(grid)),
    createHeads(device, fieldShape({ grid, field }), options),
  ])
  return { grid: hashGrid, fieldNet, table: options.table ?? 'f32' }
}

export async function createTrainingOperators(
  device: Device,
  config: SceneConfig & Partial<Pick<Config, 'execution'>>,
): Promise<TrainingOperators> {
  const { precision, table } = config.execution ?? { precision: 'fp32', table: 'f32' }
  const [scene, photometric, volume, colorAffine, adam] = await Promise.all([
    createSceneOperators(device, config, { precision, table }),
    createPhotometricLoss(device),
    createVolumeLoss(device),
    createColorAffine(device),
    createAdam(device),
  ])
  return { ...scene, photometric, volume, colorAffine, adam }
}

export function gridShape({ timeBaseResolution, timeGrowth, ...grid }: GridSettings): HashGridConfig {
  return {
    ...grid,
    ...(timeBaseResolution === null ? {} : { timeBaseResolution }),
    ...(timeGrowth === null ? {} : { timeGrowth }),
  }
}

/** [L F] -> hidden ReLU -> [Cd] ReLU, without biases. */
export function fieldShape({ grid, field }: Pick<Config, 'grid' | 'field'>): HeadsConfig {
  return {
    inputs: grid.levels * grid.features,
    heads: [{ name: 'field', hidden: field.hidden, outputs: field.features, activation: 'relu' }],
    biases: false,
  }
}

/** The four decoders, in the order of their outputs. */
export function decoderShape({ decoders, field }: Pick<Config, 'decoders' | 'field'>): HeadsConfig {
  const { staticFeatures, combination, gaussiansPerAnchor: k, hidden } = decoders
  return {
    inputs: combination === 'add' ? staticFeatures : staticFeatures + field.features,
    heads: [
      { name: 'opacity', hidden: hidden.opacity, outputs: k, activation: 'sigmoid' },
      { name: 'cov', hidden: hidden.cov, outputs: 7 * k, activation: 'none' },
      { name: 'color', hidden: hidden.color, outputs: 3 * k, activation: 'sigmoid' },
      { name: 'offset', hidden: hidden.offset, outputs: 3 * k, activation: 'none' },
    ],
    biases: true,
  }
}

export const decoderNames = ['opacity', 'cov', 'color', 'offset'] as const
