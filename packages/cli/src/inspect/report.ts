import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeJpeg, writeAtomic } from '@clipgstream/io/node'
import type { Terminal } from '../terminal.js'
import { type Checks, checkSubject } from './checks.js'
import type { ClipScene } from './clouds.js'
import { type Finding, type Verdict, verdictOf } from './finding.js'
import type { Opened } from './open.js'
import { overlay, overlaySize } from './overlays.js'
import { namesCamera, reportPage } from './page.js'
import { decodeSmall } from './pictures.js'
import { sceneData, scenePoints } from './scene.js'
import { contactSheets } from './sheets.js'
import type { Subject } from './subject.js'
import { viewerHtml } from './viewer.js'

const overlayCameras = 4
const overlayClips = 3

/** Makes every check and writes `report.html`, `report.json`, `scene.html`, `sheets/` and `overlays/` into a folder. */
export async function writeReport(
  terminal: Terminal,
  title: string,
  opened: Opened,
  folder: string,
  quick: boolean,
): Promise<{ findings: readonly Finding[]; checks: Checks | null; verdict: Verdict }> {
  await mkdir(folder, { recursive: true })
  const { subject, summary } = opened
  const clouds: ReturnType<typeof scenePoints>[] = []
  const overlays: string[] = []
  const write = async (name: string, bytes: Uint8Array | string) => {
    await writeAtomic(join(folder, name), bytes)
    return name
  }
  const clips = subject?.clips.length ?? 0
  const drawn = async (scene: ClipScene) => {
    clouds.push(scenePoints(scene, Math.min(clips, 6)))
    if (!subject || clouds.length > overlayClips) return
    for (const camera of camerasToDraw(scene, subject)) {
      const frame = scene.check.cameras[camera]?.frame ?? null
      const path = frame === null ? null : subject.cameras[camera]?.path(frame)
      if (!path || frame === null) continue
      const image = await decodeSmall(subject, path, await subject.vfs.read(path), overlaySize)
      const { agreement } = scene.check.cameras[camera] ?? {}
      const name = subject.cameras[camera]?.name ?? ''
      const figure = agreement
        ? `agreement ${agreement.score.toFixed(2)}, median error ${agreement.error.toFixed(0)}`
        : 'no agreement measured'
      const text = `${name}, ${subject.label(frame)}, clip ${scene.clip.index}: ${figure}`
      const file = `overlays/clip${scene.clip.index}-${fileName(name, camera)}.jpg`
      overlays.push(await write(file, await encodeJpeg(overlay(image, scene, camera, text), 88)))
    }
  }
  const checks = subject && !quick ? await checkSubject(subject, terminal, drawn) : null
  const findings = [...opened.findings, ...(checks?.findings ?? [])]
  const verdict = verdictOf(findings)
  const sheets: string[] = []
  let scene: string | null = null
  if (subject) {
    const flagged = new Set(
      subject.cameras
        .filter(({ name }) => findings.some((finding) => finding.severity !== 'note' && namesCamera(finding, name)))
        .map(({ name }) => name),
    )
    if (checks?.portraits.some(({ images }) => images.length > 0)) {
      let index = 0
      for (const sheet of contactSheets(subject, checks.portraits, flagged))
        sheets.push(await write(`sheets/cameras-${index++}.jpg`, await encodeJpeg(sheet, 88)))
    }
    const data = await sceneData(subject, title, checks?.portraits ?? [], clouds, flagged)
    if (data) scene = await write('scene.html', viewerHtml(data))
  }
  await write(
    'report.html',
    reportPage({ title, verdict, findings, summary, subject, checks, sheets, overlays, scene }),
  )
  const names = subject?.cameras.map(({ name, test }) => ({ name, test })) ?? []
  const { clips: clipChecks = [], lags = [], unchecked = [] } = checks ?? {}
  await write(
    'report.json',
    `${JSON.stringify({ verdict, findings, unchecked, cameras: names, clips: clipChecks, lags }, null, 1)}\n`,
  )
  return { findings, checks, verdict }
}

/** Those that agree worst, then test cameras, then the first. */
function camerasToDraw({ check }: ClipScene, { cameras }: Subject): number[] {
  const score = (camera: number) => check.cameras[camera]?.agreement?.score ?? Number.POSITIVE_INFINITY
  const worst = cameras.map(({ index }) => index).sort((a, b) => score(a) - score(b))
  const test = cameras.filter((camera) => camera.test).map(({ index }) => index)
  return [...new Set([...worst.slice(0, 2), ...test, ...cameras.map(({ index }) => index)])].slice(0, overlayCameras)
}

/** Names of cameras come from files of others. */
function fileName(name: string, index: number): string {
  const safe = name.replace(/[^\w.-]/g, '_').replace(/^\.+/, '')
  return safe === name ? safe : `${index}-${safe}`
}
