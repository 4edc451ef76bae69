import { createHeads, type Heads } from '@clipgstream/decoders'
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

/** What turns anchors into an image. */
export interface SceneOperators {
  readonly device: Device
  readonly anchors: AnchorOperators
  readonly decoders: Heads
  readonly rasterizer: Rasterizer
  /** The field of a clip: its grid, and the perceptron behind it. */
  readonly grid: HashGrid
  readonly fieldNet: Heads
}

/** What training needs besides. */
export interface TrainingOperators extends SceneOperators {
  readonly photometric: PhotometricLoss
  readonly volume: VolumeLoss
  readonly colorAffine: ColorAffine
  readonly adam: Adam
}

export type SceneConfig = Pick<Config, 'grid' | 'field' | 'decoders' | 'rasterizer'>

export async function createSceneOperators(device: Device, config: SceneConfig): Promise<SceneOperators> {
  const [anchors, decoders, rasterizer, field] = await Promise.all([
    createAnchorOperators(device),
    createHeads(device, decoderShape(config)),
    createRasterizer(
      device,
      { wasm: () => import('@clipgstream/rasterizer-wasm-reference') },
      rasterizerSettings(config),
    ),
    createField(device, config),
  ])
  return { device, anchors, decoders, rasterizer, ...field }
}

/** Clips may differ in the shape of their field. */
export async function createField(
  device: Device,
  config: Pick<Config, 'grid' | 'field'>,
): Promise<Pick<SceneOperators, 'grid' | 'fieldNet'>> {
  const grid = await createHashGrid(device, gridShape(config.grid))
  const { hidden, features } = config.field
  const fieldNet = await createHeads(device, {
    inputs: grid.width,
    heads: [{ name: 'field', hidden, outputs: features, activation: 'relu' }],
    biases: false,
  })
  return { grid, fieldNet }
}

export async function createTrainingOperators(device: Device, config: SceneConfig): Promise<TrainingOperators> {
  const [scene, photometric, volume, colorAffine, adam] = await Promise.all([
    createSceneOperators(device, config),
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

/** Names of the decoders, in the order of their outputs. */
export const decoderNames = ['opacity', 'cov', 'color', 'offset'] as const

function decoderShape({ decoders, field }: Pick<Config, 'decoders' | 'field'>) {
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
  } as const
}

function rasterizerSettings({ rasterizer: { background: _, ...settings } }: Pick<Config, 'rasterizer'>) {
  return settings
}
