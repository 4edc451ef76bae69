import { estimateCloud, type StereoProgress } from '@clipgstream/stereo'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { shots } from './inputs.js'
import { distanceToScene, sceneRadius } from './scene.js'

let device: WasmDevice

beforeEach(async () => {
  device = await createWasmDevice({ threads: 2, poison: true })
})

afterEach(() => {
  expect(device.bytesInUse).toBe(0)
  device.dispose()
})

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

describe('a scene that is known exactly', () => {
  it('is found by seven cameras, 18 degrees apart', async () => {
    const captures = shots(7, 96, 72)
    const stages: StereoProgress[] = []
    const cloud = await estimateCloud(device, captures, { coarsest: 48 }, (progress) => stages.push(progress))
    expect(cloud.count).toBeGreaterThan(2000)
    const errors = Array.from({ length: cloud.count }, (_, i) => distanceToScene(...vectorOf(cloud.positions, i)))
    expect(median(errors)).toBeLessThan(0.004 * sceneRadius)
    expect(errors.filter((error) => error > 0.03 * sceneRadius).length).toBeLessThan(0.03 * cloud.count)
    // The floor's normal is up, and colours are those of the pictures.
    const floor = [...errors.keys()].filter((i) => Math.abs(cloud.positions[3 * i + 2]!) < 0.01)
    expect(floor.length).toBeGreaterThan(200)
    expect(median(floor.map((i) => cloud.normals[3 * i + 2]!))).toBeGreaterThan(0.9)
    const wrong = floor.filter((i) => Math.abs(cloud.colors[3 * i + 1]! - 0.6 * cloud.colors[3 * i]! - 40) > 3)
    expect(wrong.length).toBeLessThan(0.01 * floor.length)
    expect(stages.map(({ stage }) => stage)).toEqual(['prepare', ...Array(7).fill('match'), ...Array(8).fill('fuse')])
    expect(stages.at(-1)).toEqual({ stage: 'fuse', done: 7, total: 7 })
  })
})

function vectorOf(values: Float32Array, i: number): [number, number, number] {
  return [values[3 * i]!, values[3 * i + 1]!, values[3 * i + 2]!]
}
