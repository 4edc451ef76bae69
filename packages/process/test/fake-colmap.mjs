#!/usr/bin/env node
// Stands for COLMAP: writes a model of the images that it finds, or fails as FAKE_COLMAP says. Notes what it was asked.
import { appendFileSync, copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [command = '-h', ...rest] = process.argv.slice(2)
const mode = process.env['FAKE_COLMAP'] ?? ''
if (command === '-h') {
  process.stdout.write(
    mode === 'other'
      ? 'usage: something else\n'
      : `COLMAP ${mode === 'old' ? '3.5' : '3.8'} -- Structure-from-Motion (without CUDA)\n`,
  )
  process.exit(0)
}
if (rest[0] === '-h') {
  for (const name of ['SiftExtraction.use_gpu', 'SiftMatching.use_gpu', 'SiftMatching.guided_matching'])
    process.stdout.write(`  --${name} arg (=1)\n`)
  process.exit(0)
}
appendFileSync('calls.txt', `${[command, ...rest].join(' ')}\n`)
process.stdout.write(`${command} at work\n`)
/** @param {string} name */
const option = (name) => rest[rest.indexOf(`--${name}`) + 1] ?? ''
if (mode === `fail ${command}`) {
  process.stderr.write('ERROR: something broke\n')
  process.exit(1)
}
if (mode === `kill ${command}`) {
  process.kill(Number(process.env['FAKE_PARENT']), 'SIGKILL')
  process.exit(1)
}
if (mode === `hang ${command}`) {
  writeFileSync('hanging.txt', String(process.pid))
  if (process.env['FAKE_PARENT']) process.kill(Number(process.env['FAKE_PARENT']), 'SIGKILL')
  setInterval(() => {}, 1000)
  await new Promise(() => {})
}
if (rest.includes('--foo')) {
  process.stderr.write("ERROR: Failed to parse options - unrecognised option '--foo'.\n")
  process.exit(1)
}
if (command === 'feature_extractor') {
  if (mode === 'moments')
    copyFileSync(fileURLToPath(new URL('colmap-database.db', import.meta.url)), option('database_path'))
  else writeFileSync(option('database_path'), readdirSync('images').join(' '))
}
if (command === 'feature_importer') {
  for (const name of ['import_path', 'image_list_path']) if (!existsSync(option(name))) process.exit(1)
  writeFileSync(option('database_path'), 'joined')
}
if (command === 'mapper' && mode !== 'none') {
  if (!existsSync(option('database_path'))) process.exit(1)
  // Models that the test has put beside the program's folder of work.
  /** @type {Record<string, string[]>} */
  const models = { parts: ['part', 'rest'], moments: ['moments'], folded: ['folded'] }
  for (const name of models[mode] ?? ['full']) {
    const to = join(option('output_path'), name === 'rest' ? '1' : '0')
    mkdirSync(to, { recursive: true })
    cpSync(join(process.env['FAKE_MODELS'] ?? '', name), to, { recursive: true })
  }
}
// On a full disk COLMAP goes on as if nothing were.
if (command === 'mapper' && mode === 'full') writeFileSync(join(option('output_path'), '0/cameras.bin'), '')
if (command === 'mapper' && mode === 'none') {
  process.stdout.write('=> No good initial image pair found.\n')
  process.stderr.write('ERROR: failed to create sparse model\n')
  process.exit(1)
}
if (command === 'point_filtering' || command === 'bundle_adjuster')
  cpSync(option('input_path'), option('output_path'), { recursive: true })
