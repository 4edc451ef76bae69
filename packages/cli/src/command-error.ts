/** A failure that is the user's to mend: the message is printed alone, without a stack. */
export class CommandError extends Error {
  constructor(
    message: string,
    readonly exitCode: number = 1,
  ) {
    super(message)
    this.name = 'CommandError'
  }
}
