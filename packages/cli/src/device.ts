import { type Device, type DeviceName, type SelectOptions, selectDevice } from '@clipgstream/tensor'

/** `auto` takes a GPU only if every operator of training has kernels for it. */
export async function acceptForTraining(device: Device): Promise<void> {
  const { createTrainingOperators, resolveConfig } = await import('@clipgstream/trainer')
  await createTrainingOperators(device, resolveConfig())
}

/** The device that a command was told to use. */
export function openDevice(name: DeviceName, threads: number | undefined): Promise<Device> {
  const options: SelectOptions = { accept: acceptForTraining, ...(threads !== undefined && { threads }) }
  return selectDevice(name, options)
}
