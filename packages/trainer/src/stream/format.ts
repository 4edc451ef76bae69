import { z } from 'zod'
import { configSchema, fieldConfig, gridConfig } from '../config.js'
import { ClipStreamError } from '../errors.js'

export const formatVersion = 1

const point = z.tuple([z.number(), z.number(), z.number()])
const pixels = z.int().positive()

const viewSchema = z.strictObject({
  width: pixels,
  height: pixels,
  fx: z.number().positive(),
  fy: z.number().positive(),
  cx: z.number(),
  cy: z.number(),
  worldToCamera: z.array(z.number()).length(12),
})

/** One file of the stream, by path from its root. */
const fileSchema = z.strictObject({
  path: z.string().regex(/^(reference|clips\/\d{5})\/[a-z]+\.(ply|safetensors)$/),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})

const clipSchema = z.strictObject({
  index: z.int().nonnegative(),
  /** Frames [start, end). */
  start: z.int().nonnegative(),
  end: z.int().positive(),
  kind: z.enum(['reference', 'source', 'independent']),
  /** Rows of the reference's anchors in front of the clip's own. */
  anchors: z.strictObject({ inherited: z.int().nonnegative(), own: z.int().nonnegative() }),
  inheritsDecoders: z.boolean(),
  bounds: z.strictObject({ min: point, max: point }),
  /** Clips may differ in the shape of their field. */
  grid: gridConfig,
  field: fieldConfig,
  /** Training cameras by row of the clip's colour maps; null without colour compensation. */
  colorCameras: z.array(z.string()).nullable(),
  training: z.strictObject({ steps: z.int().nonnegative(), loss: z.number().nullable() }),
  files: z.array(fileSchema),
})

/** `clips/<index>/clip.json`: what the table says of a clip, and the settings that it was trained with. */
const recordSchema = clipSchema.extend({ config: configSchema })

export const clipStreamSchema = z.strictObject({
  format: z.literal('clipstream'),
  version: z.literal(formatVersion),
  /** Of the reference clip; source clips may differ in what concerns them alone. */
  config: configSchema,
  data: z.strictObject({
    fingerprint: z.string(),
    frames: z.int().positive(),
    /** 1.1 times the largest distance of a training camera from their mean. */
    extent: z.number(),
    cameras: z.array(
      z.strictObject({
        name: z.string(),
        test: z.boolean(),
        view: viewSchema,
        /** Frames that it has images of; left out where it has all. */
        frames: z.array(z.int().nonnegative()).optional(),
      }),
    ),
  }),
  /** Sorted by index. */
  clips: z.array(clipSchema),
})

/** `clipstream.json` */
export type ClipStreamManifest = z.infer<typeof clipStreamSchema>
export type ClipEntry = z.infer<typeof clipSchema>
export type ClipRecord = z.infer<typeof recordSchema>
export type FileEntry = z.infer<typeof fileSchema>

export const manifestPath = 'clipstream.json'
export const referenceFolder = 'reference'

export function clipFolder(index: number): string {
  return `clips/${String(index).padStart(5, '0')}`
}

export function entryPath(index: number): string {
  return `${clipFolder(index)}/clip.json`
}

export function checkpointPath(index: number): string {
  return `checkpoints/${String(index).padStart(5, '0')}.safetensors`
}

export function parseManifest(bytes: Uint8Array): ClipStreamManifest {
  return parse(manifestPath, bytes, clipStreamSchema)
}

export function parseRecord(path: string, bytes: Uint8Array): ClipRecord {
  return parse(path, bytes, recordSchema)
}

export function encodeJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`)
}

function parse<T>(path: string, bytes: Uint8Array, schema: z.ZodType<T>): T {
  const value = parseJson(path, decode(path, bytes))
  if (path === manifestPath) checkVersion(value)
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new ClipStreamError(path, `${issue?.path.join('.') || 'content'}: ${issue?.message ?? 'not valid'}`)
}

function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new ClipStreamError(path, 'is not text; the file is damaged', { cause })
  }
}

export function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ClipStreamError(path, 'is not JSON; the file is damaged', { cause })
  }
}

function checkVersion(value: unknown): void {
  const version = typeof value === 'object' && value !== null && 'version' in value ? value.version : undefined
  if (version !== undefined && version !== formatVersion)
    throw new ClipStreamError(
      manifestPath,
      `has format version ${JSON.stringify(version)}; this program reads ${formatVersion}`,
    )
}
