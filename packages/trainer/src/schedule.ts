/** exp((1 - u) ln initial + u ln final), u = clamp(step / steps, 0, 1); 0 when an end is 0. */
export function decayed({ initial, final }: { initial: number; final: number }, step: number, steps: number): number {
  if (initial === 0 || final === 0) return 0
  const u = Math.min(Math.max(step / steps, 0), 1)
  return Math.exp((1 - u) * Math.log(initial) + u * Math.log(final))
}
