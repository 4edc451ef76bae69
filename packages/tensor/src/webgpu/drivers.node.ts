import { readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * Whether a Vulkan driver is installed where the loader looks for one. Dawn finds that out too, but says so on the
 * terminal of whoever only wanted to know.
 */
export function hasVulkanDriver(environment: NodeJS.ProcessEnv = process.env): boolean {
  if (process.platform !== 'linux') return true
  const named = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_ADD_DRIVER_FILES']
  if (named.some((name) => environment[name])) return true
  const list = (name: string, otherwise: string) => (environment[name] || otherwise).split(':')
  const folders = [
    ...list('XDG_CONFIG_HOME', join(homedir(), '.config')),
    ...list('XDG_CONFIG_DIRS', '/etc/xdg'),
    ...['/etc', '/usr/local/etc'],
    ...list('XDG_DATA_HOME', join(homedir(), '.local/share')),
    ...list('XDG_DATA_DIRS', '/usr/local/share:/usr/share'),
  ]
  return folders.some((folder) => hasManifest(join(folder, 'vulkan', 'icd.d')))
}

function hasManifest(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => name.endsWith('.json'))
  } catch {
    return false
  }
}
