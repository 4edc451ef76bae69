#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { createProgram } from './program.js'
import { report } from './report.js'

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

createProgram(manifest.version).parseAsync().catch(report)
