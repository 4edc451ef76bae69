export type { Adam, AdamGroup, AdamRate, AdamSettings, AdamState, AdamStep } from './contract.js'
export { createAdam } from './create.js'
export {
  type Cooling,
  constantSchedule,
  coolingSchedule,
  type ExponentialRates,
  exponentialSchedule,
  type Schedule,
} from './schedules.js'
export { adamRates } from './settings.js'
