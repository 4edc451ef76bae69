/** Milliseconds that calls of methods took, by `name.method`. */
export type CallTimes = Map<string, number>

/** `operator` with its methods timed. Launches of a wasm device have finished when they return, so times are complete. */
export function timed<T extends object>(name: string, operator: T, times: CallTimes): T {
  return new Proxy(operator, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        const started = performance.now()
        const result: unknown = Reflect.apply(value, target, args)
        const label = `${name}.${String(key)}`
        times.set(label, (times.get(label) ?? 0) + performance.now() - started)
        return result
      }
    },
  })
}
