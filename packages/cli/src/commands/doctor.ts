import { availableParallelism, cpus, freemem, totalmem } from 'node:os'
import { chooseDevice, type DeviceName, deviceNames, selectDevice } from '@clipgstream/tensor'
import { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import { acceptForTraining } from '../device.js'
import { bytesText, type Terminal, tableText } from '../terminal.js'

interface Finding {
  what: string
  ok: boolean
  detail: string
}

/** Says what this machine offers, what is missing and how to get it. */
export async function doctor(terminal: Terminal): Promise<void> {
  const findings: Finding[] = [
    { what: 'node', ok: true, detail: `${process.versions.node} on ${process.platform} ${process.arch}` },
    {
      what: 'processor',
      ok: true,
      detail: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} threads`,
    },
    { what: 'memory', ok: true, detail: `${bytesText(freemem())} free of ${bytesText(totalmem())}` },
  ]
  for (const name of deviceNames) if (name !== 'auto') findings.push(await tryDevice(name))
  findings.push(
    await tryPackage('sharp', 'images', () => import('sharp'), 'npm i sharp'),
    await tryPackage('node-av', 'videos', () => import('node-av/lib'), 'npm i node-av'),
  )
  const { device: best, passedOver } = await chooseDevice({ accept: acceptForTraining })
  terminal.event({ type: 'doctor', findings, device: best.label, passedOver })
  terminal.line(tableText(findings.map(({ what, ok, detail }) => [ok ? 'ok' : '--', what, detail])))
  terminal.line()
  const why = passedOver.length > 0 ? ', since better ones cannot be used:' : ': its driver and all kernels are there'
  terminal.line(`--device auto takes ${best.label}${why}`)
  for (const { reason } of passedOver) terminal.line(`  ${reason}`)
  best.dispose()
}

async function tryDevice(name: DeviceName): Promise<Finding> {
  try {
    const device = await selectDevice(name)
    const detail = device instanceof WebgpuDevice ? `${device.label}: ${device.details}` : device.label
    device.dispose()
    return { what: `device ${name}`, ok: true, detail }
  } catch (error) {
    return { what: `device ${name}`, ok: false, detail: error instanceof Error ? error.message : String(error) }
  }
}

async function tryPackage(name: string, use: string, load: () => Promise<unknown>, remedy: string): Promise<Finding> {
  try {
    await load()
    return { what: name, ok: true, detail: `for ${use}` }
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    return { what: name, ok: false, detail: `${use} do not work: ${reason}. Install it with ${remedy}` }
  }
}
