import type * as tfjs from '@tensorflow/tfjs-core'
import { ClipgstreamError } from '../errors.js'

/** The tfjs API, whichever package it came from. */
export type Tfjs = typeof tfjs

export interface LoadedTfjs {
  tf: Tfjs
  /** The package that was taken. */
  from: string
  /** The tfjs backend that is active: `tensorflow`, `wasm`, `cpu`, ... */
  backend: string
  /** Packages that are installed and would have been preferred, with the reason why they do not work. */
  passedOver: readonly { name: string; reason: string }[]
}

/** No tfjs that works is installed. */
export class TfjsUnavailableError extends ClipgstreamError {
  constructor(
    readonly tried: readonly string[],
    readonly passedOver: LoadedTfjs['passedOver'],
  ) {
    const broken = passedOver.map(({ name, reason }) => `; ${name} is installed, but ${reason}`).join('')
    super(
      `no tfjs was found (looked for ${tried.join(', ')})${broken}. Install one, for example @tensorflow/tfjs, ` +
        'or pass your own tf to toTfjs',
    )
  }
}

/** Best first. Of several packages the first is the API, and the others register a backend with it. */
const candidates = [
  ['@tensorflow/tfjs-node-gpu'],
  ['@tensorflow/tfjs-node'],
  ['@tensorflow/tfjs'],
  ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-webgpu'],
  ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-webgl'],
  ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-wasm'],
  ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu'],
] as const

/**
 * Imports the best tfjs that is installed: `@tensorflow/tfjs-node-gpu`, or another binding or backend. One that is
 * installed and does not work (a binding that was never built, a missing CUDA library) is passed over, and said to be.
 *
 * `load` imports a package by name. The default finds what is installed beside this package in Node; behind a bundler
 * pass your own, since no bundler can see these names, or import tfjs yourself and hand it to `toTfjs`.
 */
export async function loadTfjs(
  load: (name: string) => Promise<unknown> = (name) => import(/* @vite-ignore */ /* webpackIgnore: true */ name),
): Promise<LoadedTfjs> {
  const passedOver: { name: string; reason: string }[] = []
  for (const names of candidates) {
    const name = names.join(' + ')
    try {
      const [api] = await importAll(names, load)
      const tf = unwrap(api)
      await tf.ready()
      const backend = tf.getBackend()
      if (!backend) throw new Error('it has no backend')
      return { tf, from: name, backend, passedOver }
    } catch (error) {
      if (isMissing(error, names)) continue
      const [reason = ''] = String(error instanceof Error ? error.message : error).split('\n')
      passedOver.push({ name, reason: reason.trim() })
    }
  }
  throw new TfjsUnavailableError(
    candidates.map((names) => names.join(' + ')),
    passedOver,
  )
}

async function importAll(names: readonly string[], load: (name: string) => Promise<unknown>): Promise<unknown[]> {
  const modules: unknown[] = []
  for (const name of names) modules.push(await load(name))
  return modules
}

/** The API itself: CommonJS builds arrive with their names on `default` only, where Node cannot see them. */
function unwrap(module: unknown): Tfjs {
  for (const value of [module, (module as { default?: unknown } | null)?.default]) if (isTfjs(value)) return value
  throw new Error('it does not export the tfjs API')
}

function isTfjs(value: unknown): value is Tfjs {
  const names = ['tensor', 'ready', 'getBackend']
  return typeof value === 'object' && value !== null && names.every((name) => name in value)
}

/** Whether one of `names` itself is not installed, rather than something that it needs. */
function isMissing(error: unknown, names: readonly string[]): boolean {
  if (!(error instanceof Error && 'code' in error)) return false
  if (error.code !== 'ERR_MODULE_NOT_FOUND' && error.code !== 'MODULE_NOT_FOUND') return false
  return names.some((name) => error.message.includes(`'${name}'`))
}
