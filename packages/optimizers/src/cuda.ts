import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import { type CudaArgument, CudaDevice } from '@clipgstream/tensor/cuda'
import type { Adam, AdamGroup } from './contract.js'
import { checkGroup, zeroState } from './groups.js'

// As in the kernels.
const threads = 256
const unit = 2048
const groupsPerLaunch = 32
const groupSignature = 'ppppuuuuuuffffffff'

export async function createCudaAdam(device: Device): Promise<Adam> {
  if (!(device instanceof CudaDevice)) {
    throw new DeviceUnavailableError(device.kind, 'Adam was given another device', 'Pass a cuda device')
  }
  const module = await device.load(new URL('../dist/kernels/adam.fatbin', import.meta.url))
  const adamStep = module.kernel('adamStep', groupSignature)
  const adamStepAll = module.kernel('adamStepAll', groupSignature.repeat(groupsPerLaunch))

  /** Launches `groups`, of which each has elements, in one go. */
  const launch = (groups: readonly Launched[]): void => {
    const kernel = groups.length === 1 ? adamStep : adamStepAll
    const args: CudaArgument[] = []
    let blocks = 0
    for (const group of groups) {
      blocks += group.blocks
      args.push(...group.head, blocks, ...group.numbers)
    }
    while (args.length < kernel.signature.length) args.push(0)
    device.launch(kernel, { grid: blocks, block: threads }, ...args)
  }

  const stepAll = (operator: string, groups: readonly AdamGroup[]): void => {
    const launched = groups.map((group) => launchOf(operator, device, group)).filter(({ blocks }) => blocks > 0)
    for (let i = 0; i < launched.length; i += groupsPerLaunch) launch(launched.slice(i, i + groupsPerLaunch))
  }

  return {
    state: (parameter) => zeroState(device, parameter),
    step: (parameter, gradient, state, settings) => stepAll('adam.step', [{ parameter, gradient, state, settings }]),
    stepAll: (groups) => stepAll('adam.stepAll', groups),
  }
}

/** The members of the kernels' group before and behind the count of blocks. */
interface Launched {
  blocks: number
  head: CudaArgument[]
  numbers: number[]
}

function launchOf(operator: string, device: Device, group: AdamGroup): Launched {
  const { width, numbers } = checkGroup(operator, device, group)
  const { parameter, gradient, state } = group
  const { stepSize, rootScale, epsilon, beta1, beta2, lazy, rows, gradientLimit } = numbers
  const size = parameter.size
  // Rows that do not lie inside of four elements stay together in a block.
  const whole = lazy && ![1, 2, 4].includes(width)
  const elements = whole ? width * Math.max(1, Math.floor(unit / width)) : unit
  return {
    blocks: size > 0 ? Math.ceil(size / elements) : 0,
    head: [
      ...[parameter, gradient, state.m, state.v],
      ...[size, rows[0] * width, rows[1] * width, lazy ? width : 0, elements],
    ],
    numbers: [stepSize, rootScale, epsilon, beta1, 1 - beta1, beta2, 1 - beta2, gradientLimit ?? -1],
  }
}
