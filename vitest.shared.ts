// One test configuration for every package. Tests import packages by name; they run on the sources, or on what would
// be published when CLIPGSTREAM_DIST is set.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vitest/config'

const condition = process.env['CLIPGSTREAM_DIST'] ? 'default' : '@clipgstream/source'
type Target = string | Record<string, string>
const seeded = fileURLToPath(new URL('tools/fast-check.ts', import.meta.url))

function workspacePackages(): Plugin {
  return {
    name: 'workspace-packages',
    enforce: 'pre',
    resolveId(source, importer) {
      // Property-based tests are seeded.
      if (source === 'fast-check' && importer !== seeded) return seeded
      const match = /^(?:@clipgstream\/([^/]+)|clipgstream)(\/.+)?$/.exec(source)
      if (!match) return null
      const base = new URL(`./packages/${match[1] ?? 'cli'}/`, import.meta.url)
      const manifest = JSON.parse(readFileSync(new URL('package.json', base), 'utf8')) as {
        exports: Record<string, Target>
      }
      const target = manifest.exports[`.${match[2] ?? ''}`]
      const file = typeof target === 'string' ? target : target?.[condition]
      if (!file) throw new Error(`${source} is not exported by its package for condition ${condition}`)
      return fileURLToPath(new URL(file, base))
    },
  }
}

export default defineConfig({
  plugins: [workspacePackages()],
  resolve: { conditions: [condition, 'node'] },
  ssr: { resolve: { conditions: [condition, 'node'] } },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    passWithNoTests: false,
    maxWorkers: 2,
  },
})
