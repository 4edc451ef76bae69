import type { Config } from './config.js'
import type { TrainingOperators } from './operators.js'
import type { StepGraphs } from './step-graphs.js'

/** What repeats captured training steps; null where they are launched kernel by kernel: on other devices than cuda, or as configured. */
export async function createStepGraphs(
  operators: TrainingOperators,
  config: Pick<Config, 'execution' | 'rasterizer'>,
): Promise<StepGraphs | null> {
  if (!config.execution.graph || operators.device.kind !== 'cuda') return null
  const { StepGraphs } = await import('./step-graphs.js')
  return StepGraphs.for(operators, config.rasterizer.background)
}
