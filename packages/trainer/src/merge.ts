type Tree = { [key: string]: unknown }

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `over` on top of `base`, object by object; arrays and scalars are replaced, undefined is passed over. */
export function merge<T extends object>(base: T, over: object): T {
  const result = new Map<string, unknown>(Object.entries(base))
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue
    const below = result.get(key)
    result.set(key, isTree(below) && isTree(value) ? merge(below, value) : structuredClone(value))
  }
  // Unlike an assignment, this makes a key called __proto__ a plain property, which the schema then rejects.
  return Object.fromEntries(result) as T
}
