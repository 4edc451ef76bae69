let last = performance.now()

/** Lets timers, signals and the page run, at most ten times a second: the steps themselves never wait for a timer. */
export async function breathe(): Promise<void> {
  if (performance.now() - last < 100) return
  await new Promise((resolve) => setTimeout(resolve, 0))
  last = performance.now()
}
