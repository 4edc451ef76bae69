import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'

/** Serves a dataset under `/<name>/`, with the manifest that `fetchFolder` wants, and puts it into the build. */
export function sampleDataset(name: string, url: URL): Plugin {
  const folder = fileURLToPath(url)
  return {
    name: 'sample-dataset',
    configureServer(server) {
      server.middlewares.use(`/${name}/`, async (request, response, next) => {
        const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname).slice(1)
        const files = await sizesOf(folder)
        if (path === 'manifest.json') response.end(JSON.stringify({ files: Object.fromEntries(files) }))
        else if (files.has(path)) response.end(await readFile(join(folder, path)))
        else next()
      })
    },
    async generateBundle() {
      const files = await sizesOf(folder)
      const source = JSON.stringify({ files: Object.fromEntries(files) })
      this.emitFile({ type: 'asset', fileName: `${name}/manifest.json`, source })
      for (const path of files.keys())
        this.emitFile({ type: 'asset', fileName: `${name}/${path}`, source: await readFile(join(folder, path)) })
    },
  }
}

/** Bytes of every file, by its path with forward slashes. */
async function sizesOf(folder: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    sizes.set(relative(folder, path).split(sep).join('/'), (await stat(path)).size)
  }
  return sizes
}
