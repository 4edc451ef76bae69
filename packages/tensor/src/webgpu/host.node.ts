import { existsSync } from 'node:fs'
import { DeviceUnavailableError } from '../errors.js'
import { hasVulkanDriver } from './drivers.node.js'
import type { GpuRequest, WebgpuHost } from './host.js'

/** Where Chromium and Chrome bring SwiftShader. */
const swiftshader = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
]

/** Collecting one of these while a device lives ends the process, so they stay. By the options of `create`. */
const instances = new Map<string, GPU>()

export const host: WebgpuHost = {
  environment: (name) => process.env[name],
  async open(request) {
    const create = await loadDawn()
    const remedy = request.software
      ? 'Install SwiftShader and the Vulkan loader (Debian: apt-get install chromium libvulkan1), or let ' +
        'VK_DRIVER_FILES name its vk_swiftshader_icd.json'
      : "Install the GPU's Vulkan driver and the loader (Debian: apt-get install libvulkan1), or use " +
        '--device wasm; a software adapter is used only when asked for: --device webgpu:swiftshader'
    if (request.software) addSwiftshader()
    else if (!hasVulkanDriver()) {
      const device = request.adapter === undefined ? 'webgpu' : `webgpu:${request.adapter}`
      throw new DeviceUnavailableError(device, 'no Vulkan driver is installed', remedy)
    }
    const options = optionsOf(request)
    const key = `${request.software} ${options.join(' ')}`
    const gpu = instances.get(key) ?? create(options)
    instances.set(key, gpu)
    return { gpu, describe: () => listAdapters(create), remedy }
  },
}

type Create = (options: string[]) => GPU

async function loadDawn(): Promise<Create> {
  try {
    return (await import('webgpu')).create
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
    throw new DeviceUnavailableError(
      'webgpu',
      `the package webgpu could not be loaded (${reason})`,
      'Install it with npm i webgpu (it needs glibc 2.34 or newer on Linux), or use --device wasm',
      { cause },
    )
  }
}

function optionsOf({ adapter, robust, software }: GpuRequest): string[] {
  const enabled = ['vulkan_enable_f16_on_nvidia', ...(robust ? [] : ['disable_robustness'])]
  // Time stamps are otherwise rounded to 0.1 ms. SwiftShader compiles the zeroing of workgroup memory by this extension to a
  // store for each word: seconds for 24 KiB.
  const slow = software ? ['use_vulkan_zero_initialize_workgroup_memory_extension'] : []
  const disabled = ['timestamp_quantization', ...slow]
  return [
    ...(adapter === undefined ? [] : [`adapter=${adapter}`]),
    `enable-dawn-features=${enabled.join(',')}`,
    `disable-dawn-features=${disabled.join(',')}`,
  ]
}

/** Drivers that the user names take precedence; hardware stays visible beside the software adapter. */
function addSwiftshader(): void {
  if (process.platform !== 'linux' || process.env['VK_DRIVER_FILES'] || process.env['VK_ADD_DRIVER_FILES']) return
  const found = swiftshader.find((file) => existsSync(file))
  if (found) process.env['VK_ADD_DRIVER_FILES'] = found
}

/** Dawn lists what it has when it is asked for an adapter that it does not have. */
async function listAdapters(create: Create): Promise<string> {
  try {
    const adapter = await create(['adapter=which are there?']).requestAdapter()
    return adapter ? adapter.info.description : 'no adapter'
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    const names = [...text.matchAll(/backend: '(\w+)', name: '([^']*)'/g)].map(
      ([, backend, name]) => `${name} (${backend})`,
    )
    return names.length > 0 ? names.join(', ') : 'no adapter'
  }
}
