/** Works on items with at most `width` at a time; the first error ends it once those under way are done. */
export async function eachOf<T>(
  items: Iterable<T>,
  width: number,
  work: (item: T) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const pending = items[Symbol.iterator]()
  let failed = false
  const worker = async () => {
    for (let next = pending.next(); !failed && !next.done; next = pending.next()) {
      try {
        signal?.throwIfAborted()
        await work(next.value)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const results = await Promise.allSettled(Array.from({ length: width }, worker))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

/** What `work` makes of items, in their order, with at most `width` at a time; ends as {@link eachOf} does. */
export async function mapOf<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
  signal?: AbortSignal,
): Promise<R[]> {
  const results: R[] = []
  await eachOf(
    items.entries(),
    width,
    async ([i, item]) => {
      results[i] = await work(item)
    },
    signal,
  )
  return results
}
