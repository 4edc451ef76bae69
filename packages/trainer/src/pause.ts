let last = performance.now()

/**
 * Lets timers, signals, decoded images and the page in. Where there is `setImmediate`, which costs a microsecond, every
 * time; elsewhere ten times a second, so that steps do not wait for a timer.
 */
export async function breathe(): Promise<void> {
  if (typeof setImmediate === 'function') {
    await new Promise<void>((resolve) => setImmediate(resolve))
    return
  }
  if (performance.now() - last < 100) return
  await new Promise((resolve) => setTimeout(resolve, 0))
  last = performance.now()
}
