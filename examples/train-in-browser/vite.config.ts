import { defineConfig, type Plugin } from 'vite'
import { sampleDataset } from './sample.ts'

/** Where the packages of the workspace come from: their sources, or what would be published. */
const conditions = process.env['CLIPGSTREAM_DIST'] ? [] : ['@clipgstream/source']

// Worker threads share memory only in cross-origin isolated pages.
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

/** What a page with these devices needs to be allowed, and nothing else. */
const policy = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "img-src 'self' data: blob:",
  "base-uri 'none'",
  "object-src 'none'",
].join('; ')

/** Bundlers copy every kernel that is named somewhere; those of CUDA have no place on a page. */
function withoutCuda(): Plugin {
  return {
    name: 'without-cuda',
    enforce: 'post',
    generateBundle(_, bundle) {
      for (const name of Object.keys(bundle)) if (name.endsWith('.fatbin')) delete bundle[name]
    },
  }
}

export default defineConfig({
  // What is not there is an error, not the page.
  appType: 'mpa',
  plugins: [withoutCuda(), sampleDataset('sample', new URL('../../samples/court-mini/', import.meta.url))],
  resolve: { conditions: [...conditions, 'module', 'browser', 'development|production'] },
  worker: { format: 'es' },
  server: { headers: isolation },
  preview: { headers: { ...isolation, 'Content-Security-Policy': policy } },
  build: {
    target: 'es2022',
    // Kernels are fetched by their addresses.
    assetsInlineLimit: 0,
    rolldownOptions: { input: ['index.html', 'conformance.html'] },
  },
})
