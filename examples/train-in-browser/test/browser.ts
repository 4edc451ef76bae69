import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium } from 'playwright-core'
import { build, preview } from 'vite'

const executable = process.env['CLIPGSTREAM_CHROMIUM'] ?? '/usr/bin/chromium'

/** Where screenshots and tables are left for people. */
export const artifacts = fileURLToPath(new URL('../node_modules/.artifacts/', import.meta.url))
mkdirSync(artifacts, { recursive: true })

/** Why there can be no test in a browser; with CLIPGSTREAM_REQUIRE_WEBGPU=1 that is an error. */
export function whyNoBrowser(): string | null {
  if (existsSync(executable)) return null
  const reason = `there is no ${executable} (Debian: apt-get install chromium; or set CLIPGSTREAM_CHROMIUM)`
  if (process.env['CLIPGSTREAM_REQUIRE_WEBGPU'] === '1') throw new Error(reason)
  console.warn(`TESTS IN A BROWSER ARE SKIPPED: ${reason}`)
  return reason
}

// WebGPU on SwiftShader, whose canvases reach the screen. Zeroing of workgroup memory is done by a loop there, which
// SwiftShader compiles ten times faster than the extension for it.
const flags = [
  '--headless=new',
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan',
  '--use-vulkan=swiftshader',
  '--use-angle=swiftshader',
  '--ignore-gpu-blocklist',
  '--disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export interface Site extends AsyncDisposable {
  browser: Browser
  url: string
  /** Takes the GPU's process away; it comes again when somebody needs it. */
  crashGpu(): Promise<void>
}

/** The example as it would be deployed, served with its headers, and a browser. */
export async function openSite(): Promise<Site> {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const outDir = mkdtempSync(join(tmpdir(), 'train-in-browser-'))
  const common = { root, logLevel: 'error', build: { outDir, emptyOutDir: true } } as const
  await build(common)
  const server = await preview({ ...common, preview: { port: 0, host: '127.0.0.1' } })
  const browser = await chromium.launch({ executablePath: executable, args: flags })
  return {
    browser,
    url: server.resolvedUrls?.local[0] ?? 'http://127.0.0.1',
    async crashGpu() {
      const session = await browser.newBrowserCDPSession()
      await session.send('Browser.crashGpuProcess')
      await session.detach()
    },
    async [Symbol.asyncDispose]() {
      await browser.close()
      await server.close()
      rmSync(outDir, { recursive: true, force: true })
    },
  }
}
