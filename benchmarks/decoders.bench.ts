import {
  createHeads,
  type HeadsConfig,
  initialParameters,
  type Keep,
  uploadParameters,
  zeroParameters,
} from '@clipgstream/decoders'
import { createRandom } from '@clipgstream/tensor'
import type { WasmDevice } from '@clipgstream/tensor/wasm'
import { decoderShape, preset } from '@clipgstream/trainer'
import * as tf from '@tensorflow/tfjs'
import { agree, agreeWith } from './agree.js'
import { atMost, type Benchmark, compareTimes, type Effort, type Row } from './bench.js'
import { plainBackward, plainForward } from './plain/heads.js'
import { startTfjsWasm, tfjsBackward, tfjsForward, tfjsParameters } from './tfjs/heads.js'
import { perSecond, threadRows, withThreads } from './threads.js'

const rows = 16384

export const benchmark: Benchmark = {
  name: 'decoders',
  description:
    `The four decoders on ${rows} rows. GFLOP/s count products only: 2 a weight and row forward, 4 more backward. ` +
    'At the wide sizes rivals run on the first rows only and are scaled by rows: plain JavaScript on 512, tfjs on 1024. tfjs ' +
    'has one thread; "own gradients" are written by hand around its slow transposed products.',
  async run(effort) {
    await startTfjsWasm()
    return [
      ...(await compare('128 inputs, 10 Gaussians', decoderShape(preset('default')), 512, 1024, atMost(5, effort))),
      ...(await compare('mini preset', decoderShape(preset('mini')), rows, rows, atMost(5, effort))),
    ]
  },
}

async function compare(
  what: string,
  config: HeadsConfig,
  plainRows: number,
  tfjsRows: number,
  effort: Effort,
): Promise<Row[]> {
  const random = createRandom(1)
  const normal = (length: number) => Float32Array.from({ length }, () => random.normal())
  const x = normal(rows * config.inputs)
  const vOutputs = config.heads.map(({ outputs }) => normal(rows * outputs))
  const parameters = initialParameters(config, 'linear', 2)
  const head = (values: Float32Array<ArrayBuffer>, used: number) => values.subarray(0, (values.length / rows) * used)

  const plainX = head(x, plainRows)
  const plainV = vOutputs.map((v) => head(v, plainRows))
  const tfX = tf.tensor2d(head(x, tfjsRows), [tfjsRows, config.inputs])
  const tfV = vOutputs.map((v, i) => tf.tensor2d(head(v, tfjsRows), [tfjsRows, config.heads[i]!.outputs]))
  const tfParameters = tfjsParameters(config, parameters)
  const runTfjs = (make: () => tf.Tensor[]) => {
    const tensors = make()
    for (const tensor of tensors) tensor.dataSync()
    tf.dispose(tensors)
  }

  const setUp = async (device: WasmDevice) => {
    const heads = await createHeads(device, config)
    const weights = uploadParameters(device, config, parameters)
    const gradients = zeroParameters(device, config)
    const input = { x: device.from(x, [rows, config.inputs]) }
    const v = vOutputs.map((values, i) => device.from(values, [rows, config.heads[i]!.outputs]))
    return {
      device,
      gradients,
      forward: (keep: Keep) => heads.forward(input, weights, keep),
      backward: (result: ReturnType<typeof heads.forward>) => heads.backward(input, weights, result, v, gradients),
    }
  }
  type Set = Awaited<ReturnType<typeof setUp>>
  const forward = ({ device, forward }: Set) => {
    using _ = device.scope()
    forward('nothing')
  }
  const both = ({ device, forward, backward }: Set) => {
    using _ = device.scope()
    backward(forward('hidden'))
  }

  return withThreads(setUp, async ({ one, two }) => {
    const plainResult = plainForward(config, plainX, parameters)
    const plainGradients = plainBackward(config, plainX, parameters, plainResult, plainV)
    {
      using _ = one.device.scope()
      const result = one.forward('hidden')
      for (const [i, output] of result.outputs.entries())
        await agreeWith(output, plainResult.outputs[i]!, `outputs of ${config.heads[i]!.name}`)
      await agreeWith(one.backward(result), plainGradients.vX, 'vX')
      for (const mode of ['automatic', 'by hand'] as const) {
        const all = tfjsBackward(config, mode, tfX, tfParameters, tfV)
        const used = Math.min(plainRows, tfjsRows) * config.inputs
        agree(
          `vX of tfjs, ${mode}`,
          all[0]!.dataSync<'float32'>().subarray(0, used),
          plainGradients.vX.subarray(0, used),
        )
        tf.dispose(all)
      }
    }
    const times = await compareTimes(
      {
        one: () => forward(one),
        two: () => forward(two),
        plain: () => plainForward(config, plainX, parameters),
        tfjs: () => runTfjs(() => tfjsForward(config, tfX, tfParameters)),
        bothOne: () => both(one),
        bothTwo: () => both(two),
        bothPlain: () => plainBackward(config, plainX, parameters, plainForward(config, plainX, parameters), plainV),
        bothTfjs: () => runTfjs(() => tfjsBackward(config, 'automatic', tfX, tfParameters, tfV)),
        bothTfjsByHand: () => runTfjs(() => tfjsBackward(config, 'by hand', tfX, tfParameters, tfV)),
      },
      effort,
    )
    tf.dispose([tfX, ...tfV, ...tfParameters])
    const flops =
      config.heads.reduce((sum, { hidden, outputs }) => sum + 2 * hidden * (config.inputs + outputs), 0) * rows
    const plainShare = plainRows / rows
    const tfjsShare = tfjsRows / rows
    return [
      ...threadRows(`${what}: forward`, perSecond(flops, 'GFLOP/s'), times, {
        'plain JS': { time: times.plain, share: plainShare },
        'tfjs-wasm': { time: times.tfjs, share: tfjsShare },
      }),
      ...threadRows(
        `${what}: forward and backward`,
        perSecond(3 * flops, 'GFLOP/s'),
        { one: times.bothOne, two: times.bothTwo },
        {
          'plain JS': { time: times.bothPlain, share: plainShare },
          'tfjs-wasm': { time: times.bothTfjs, share: tfjsShare },
          'tfjs-wasm, own gradients': { time: times.bothTfjsByHand, share: tfjsShare },
        },
      ),
    ]
  })
}
