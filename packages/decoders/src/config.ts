import { ArgumentError } from '@clipgstream/tensor'
import type { HeadsConfig } from './contract.js'

/** Hidden width of each decoder, in units of the feature width. */
export interface HiddenFactors {
  opacity: number
  cov: number
  color: number
  offset: number
}

export interface DecoderSizes {
  /** Width C of the combined feature. */
  features: number
  /** Gaussians per anchor, K. */
  offsetsPerAnchor: number
  /** 2, 2, 2 and 4 when left out. */
  hiddenFactors?: HiddenFactors
}

/**
 * The four Gaussian decoders, in this order: opacity [K] sigmoid, cov [7 K] (3 scale logits and a quaternion each), color
 * [3 K] sigmoid, offset [3 K]; all with biases.
 */
export function decoderHeads(sizes: DecoderSizes): HeadsConfig {
  const { features, offsetsPerAnchor: k, hiddenFactors = { opacity: 2, cov: 2, color: 2, offset: 4 } } = sizes
  positive('decoderHeads', 'offsetsPerAnchor', k)
  const hidden = (name: keyof HiddenFactors) => Math.round(hiddenFactors[name] * features)
  return validate('decoderHeads', {
    inputs: features,
    biases: true,
    heads: [
      { name: 'opacity', hidden: hidden('opacity'), outputs: k, activation: 'sigmoid' },
      { name: 'cov', hidden: hidden('cov'), outputs: 7 * k, activation: 'none' },
      { name: 'color', hidden: hidden('color'), outputs: 3 * k, activation: 'sigmoid' },
      { name: 'offset', hidden: hidden('offset'), outputs: 3 * k, activation: 'none' },
    ],
  })
}

/** The network behind the spatio-temporal hash grid: one head without biases, ReLU on its output too. */
export function fieldHead(sizes: { inputs: number; hidden: number; outputs: number }): HeadsConfig {
  const { inputs, hidden, outputs } = sizes
  return validate('fieldHead', {
    inputs,
    biases: false,
    heads: [{ name: 'field', hidden, outputs, activation: 'relu' }],
  })
}

/** Returns `config` when every width is a positive integer and every activation is known. */
export function validate(operator: string, config: HeadsConfig): HeadsConfig {
  positive(operator, 'inputs', config.inputs)
  if (config.heads.length === 0) throw new ArgumentError(operator, 'heads', '[]', 'at least one head')
  for (const { name, hidden, outputs, activation } of config.heads) {
    positive(operator, `hidden of ${name}`, hidden)
    positive(operator, `outputs of ${name}`, outputs)
    switch (activation) {
      case 'none':
      case 'relu':
      case 'sigmoid':
        break
      default:
        throw new ArgumentError(operator, `activation of ${name}`, activation satisfies never, 'none, relu or sigmoid')
    }
  }
  return config
}

function positive(operator: string, argument: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw new ArgumentError(operator, argument, value, 'a positive integer')
}
