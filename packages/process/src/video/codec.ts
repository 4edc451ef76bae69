import { messageOf, ProcessError } from '../errors.js'

export type Codec = Awaited<ReturnType<typeof load>>

let loaded: Promise<Codec> | null = null

/** FFmpeg's libraries through node-av, loaded when the first video is opened. */
export function loadCodec(): Promise<Codec> {
  loaded ??= load()
  return loaded
}

async function load() {
  // node-av reads with it; Node has it from 22 on.
  if (!('withResolvers' in Promise)) Object.defineProperty(Promise, 'withResolvers', { value: withResolvers })
  try {
    const [api, constants, lib] = await Promise.all([
      import('node-av/api'),
      import('node-av/constants'),
      import('node-av/lib'),
    ])
    lib.Log.setLevel(constants.AV_LOG_QUIET)
    return { api, constants, lib }
  } catch (cause) {
    loaded = null
    throw new ProcessError(
      `videos need the optional package node-av, which could not be loaded: ${messageOf(cause)}. Install it with npm i node-av`,
      { cause },
    )
  }
}

function withResolvers(): object {
  let resolve: (value: unknown) => void = () => {}
  let reject: (reason: unknown) => void = () => {}
  const promise = new Promise((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
