import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { expect, it } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { cases } from './conformance.js'

it.each(cases.filter(({ size }) => size === 'small'))('$operator: $name', async (small) => {
  using device = await createWasmDevice({ threads: 2, poison: true })
  const actual = await small.run(device)
  expect(device.bytesInUse).toBe(0)
  if (!small.oracle) throw new Error('a small case has an oracle')
  const failed = compare(actual, small.oracle(), small.tolerance).filter(({ passed }) => !passed)
  expect(failed).toEqual([])
})
