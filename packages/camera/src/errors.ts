/** A camera, view or path cannot be used as given; the message says the value, what is allowed and what to do. */
export class CameraError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'CameraError'
  }
}
