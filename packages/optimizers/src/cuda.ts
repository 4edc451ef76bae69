import { type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { type CudaArgument, CudaDevice } from '@clipgstream/tensor/cuda'
import type { Adam, AdamGroup } from './contract.js'
import { checkGroup, checkRates, zeroState } from './groups.js'
import { adamRates } from './settings.js'

// As in the kernels.
const threads = 256
const unit = 2048
/** Of rows of four that may be skipped. */
const lazyUnit = 4096
const groupsPerLaunch = 32
const groupSignature = 'ppppppuuuuuuffffff'

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

  const stepAll = (operator: string, groups: readonly AdamGroup[], rates: Tensor<'f32'>): void => {
    checkRates(operator, device, rates, groups.length)
    const at = device.address(rates)
    const launched = groups.map((group, i) => launchOf(operator, device, group, at + 8 * i))
    // Blocks look for their group from the first on: that with most blocks comes first.
    const used = launched.filter(({ blocks }) => blocks > 0).sort((a, b) => b.blocks - a.blocks)
    for (let i = 0; i < used.length; i += groupsPerLaunch) launch(used.slice(i, i + groupsPerLaunch))
  }

  return {
    state: (parameter) => zeroState(device, parameter),
    step(parameter, gradient, state, settings) {
      checkGroup('adam.step', device, { parameter, gradient, state, settings })
      using rates = device.from(adamRates([settings]), [1, 2], 'rates')
      stepAll('adam.step', [{ parameter, gradient, state, settings }], rates)
    },
    stepAll: (groups, rates) => stepAll('adam.stepAll', groups, rates),
  }
}

/** The members of the kernels' group before and behind the count of blocks. */
interface Launched {
  blocks: number
  head: CudaArgument[]
  numbers: number[]
}

function launchOf(operator: string, device: Device, group: AdamGroup, rates: number): Launched {
  const { width, numbers } = checkGroup(operator, device, group)
  const { parameter, gradient, state, copy = null } = group
  const { epsilon, beta1, beta2, lazy, rows, gradientLimit } = numbers
  const size = parameter.size
  // Rows that do not lie inside of four elements stay together in a block.
  const whole = lazy && ![1, 2, 4].includes(width)
  const one = lazy && width === 4 ? lazyUnit : unit
  const elements = whole ? width * Math.max(1, Math.floor(unit / width)) : one
  return {
    blocks: size > 0 ? Math.ceil(size / elements) : 0,
    head: [
      ...[parameter, gradient, state.m, state.v, rates, copy],
      ...[size, rows[0] * width, rows[1] * width, lazy ? width : 0, elements],
    ],
    numbers: [epsilon, beta1, 1 - beta1, beta2, 1 - beta2, gradientLimit ?? -1],
  }
}
