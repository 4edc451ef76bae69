import { ClipgstreamError } from '@clipgstream/tensor'

/** A configuration value is unknown, missing or out of range. */
export class ConfigError extends ClipgstreamError {
  constructor(
    /** Dotted path of the setting. */
    readonly key: string,
    readonly reason: string,
  ) {
    super(`configuration: ${key}: ${reason}`)
  }
}

/** A file of a run folder is missing, damaged or of another version. */
export class ClipStreamError extends ClipgstreamError {
  constructor(
    readonly path: string,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(`clip stream: ${path}: ${reason}`, options)
  }
}

/** A run cannot go on with the data or settings that it was given. */
export class RunMismatchError extends ClipgstreamError {
  constructor(
    readonly what: string,
    readonly stored: string,
    readonly given: string,
    remedy: string,
  ) {
    super(`this run was made with ${what} ${stored}, not ${given}. ${remedy}`)
  }
}

/** A clip would be trained over. */
export class RunExistsError extends ClipgstreamError {
  constructor(
    readonly clip: number,
    readonly state: 'finished' | 'begun',
  ) {
    super(
      `clip ${clip} has been ${state === 'finished' ? 'trained' : 'begun'} in this run; ` +
        'resume the run, choose other clips, or train into another folder',
    )
  }
}

/** A loss or a parameter stopped being a finite number; the last checkpoint before it is kept. */
export class NonFiniteError extends ClipgstreamError {
  constructor(
    readonly clip: number,
    readonly iteration: number,
    readonly what: string,
    /** Iteration of the last good checkpoint, or null. */
    readonly lastGood: number | null,
  ) {
    const kept =
      lastGood === null ? 'No checkpoint of this clip exists yet' : `The state at iteration ${lastGood} is kept`
    super(
      `clip ${clip}: ${what} is not finite at iteration ${iteration}. ${kept}; ` +
        'lower the learning rates (optimizer.rates) or look for damaged images and clouds',
    )
  }
}

/** The data lack something that training needs. */
export class TrainingDataError extends ClipgstreamError {
  constructor(
    readonly what: string,
    remedy: string,
  ) {
    super(`${what}. ${remedy}`)
  }
}
