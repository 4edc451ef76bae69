import { agreeing } from './agreement.js'
import { badShare, type ClipCheck } from './clouds.js'
import { type Finding, some } from './finding.js'
import { median, percent } from './statistics.js'
import type { Subject } from './subject.js'

const poorAtAll = 0.25
/** An explanation has to bring a camera this near to what is usual. */
const credible = 0.85
const leastCoverage = 0.5
const lonely = 0.3
const muchColour = 8
const someColour = 4

/** Cameras whose images do not fit, and whether they belong together at all. */
export function calibrationFindings({ cameras }: Subject, checks: readonly ClipCheck[]): Finding[] {
  const findings: Finding[] = []
  const usual = median(checks.map((check) => check.usual).filter((score) => !Number.isNaN(score)))
  const bad: { name: string; test: boolean }[] = []
  for (const { index, name, test } of cameras) {
    const own = checks.flatMap((check) => {
      const { agreement, explanation } = check.cameras[index] ?? {}
      return agreement ? [{ agreement, explanation, usual: check.usual }] : []
    })
    if (own.length === 0) {
      if (checks.some((check) => check.colored && (check.cameras[index]?.frame ?? null) !== null)) {
        const inside = Math.max(...checks.map((check) => check.cameras[index]?.inside ?? 0))
        bad.push({ name, test })
        findings.push({
          severity: 'look',
          check: 'calibration',
          what: 'sees next to no points',
          where: name,
          figure: `${inside} points in its image`,
          remedy: 'its pose may be of another world than the clouds',
        })
      }
      continue
    }
    const score = median(own.map(({ agreement }) => agreement.score))
    const error = median(own.map(({ agreement }) => agreement.error))
    const explained = own.flatMap(({ explanation }) => (explanation ? [explanation] : []))
    // One clip alone may be misled by what moves.
    explained.sort((a, b) => b.score - a.score)
    const likely = explained.length > own.length / 2 ? explained[explained.length >> 1] : undefined
    const explanation = likely && likely.score >= credible * usual ? likely : undefined
    const figure = `agreement ${score.toFixed(2)}, usual ${usual.toFixed(2)}; median error ${error.toFixed(0)} levels`
    if (explanation) {
      bad.push({ name, test })
      const other = explanation.camera === undefined ? '' : cameras[explanation.camera]?.name
      const texts = {
        flipped: {
          what: `its images seem to be ${explanation.text}`,
          remedy: 'turn the images back, or check what the calibration was made of',
        },
        'other-camera': {
          what: `its images seem to be those of ${other}`,
          remedy: 'check the order of the cameras in the calibration and the names of the images',
        },
        intrinsics: {
          what: 'its intrinsics do not fit the images',
          remedy: `they would fit with ${explanation.text}; check its calibration and whether images were cropped or resized`,
        },
      }
      const { what, remedy } = texts[explanation.kind]
      const better = `${figure}; ${explanation.score.toFixed(2)} if so`
      findings.push({ severity: 'look', check: 'calibration', what, where: name, figure: better, remedy })
    } else if (score < Math.max(poorAtAll, badShare * usual)) {
      bad.push({ name, test })
      findings.push({
        severity: 'look',
        check: 'calibration',
        what: 'its images do not agree with the points',
        where: name,
        figure,
        remedy: 'its pose is wrong, its images are of another camera or time, or something stands before the lens',
      })
    }
  }
  const training = cameras.filter((camera) => !camera.test).length
  const badTraining = bad.filter(({ test }) => !test)
  if (usual < poorAtAll || badTraining.length > training / 2) {
    findings.unshift({
      severity: 'stop',
      check: 'calibration',
      what: 'cameras, images and clouds do not belong together',
      where: some(bad.map(({ name }) => name)),
      figure: `${bad.length} of ${cameras.length} cameras agree badly; usual agreement ${usual.toFixed(2)}`,
      remedy: 'check that clouds and cameras are of one reconstruction, and the order of the cameras',
    })
  }
  for (const check of checks) {
    if (!check.colored) continue
    const share = median(check.cameras.flatMap(({ agreement }) => (agreement ? [agreement.share] : [])))
    if (check.usual < badShare * usual && checks.length > 1) {
      findings.push({
        severity: 'look',
        check: 'clouds',
        what: 'the points of a clip agree worse than those of the others',
        where: `clip ${check.clip}`,
        figure: `agreement ${check.usual.toFixed(2)}, usual ${usual.toFixed(2)}; ${percent(share)} of points within ${agreeing} levels`,
        remedy: 'its cloud may be of other frames, or its clip size another',
      })
    }
  }
  return findings
}

/** Parts of images without points, and points that next to nobody sees. */
export function coverageFindings({ cameras, moving }: Subject, checks: readonly ClipCheck[]): Finding[] {
  const findings: Finding[] = []
  for (const { index, name } of cameras) {
    const own = checks.flatMap((check) => check.cameras[index]?.coverage ?? [])
    const share = median(own.map((coverage) => coverage.share))
    if (own.length === 0 || share >= leastCoverage) continue
    const holes = own[0]?.holes.map((hole) => `${hole.place} ${percent(hole.share)}`).join(', ')
    findings.push({
      severity: 'look',
      check: 'coverage',
      what: 'much of its image has no points near',
      where: name,
      figure: `${percent(share)} covered${holes ? `; holes: ${holes}` : ''}`,
      remedy: 'nothing is learned well there: densify the cloud, or add background points',
    })
  }
  const first = checks[0]
  if (first && !moving && cameras.length > 2) {
    const total = first.seenBy.reduce((sum, { points }) => sum + points, 0)
    const few = first.seenBy
      .filter(({ label }) => label === 'none' || label === '1')
      .reduce((sum, { points }) => sum + points, 0)
    if (few > lonely * total) {
      findings.push({
        severity: 'look',
        check: 'coverage',
        what: 'many points are seen by fewer than two cameras',
        where: `clip ${first.clip}`,
        figure: percent(few / total),
        remedy: 'points behind surfaces or outside the images do not help: check the cloud',
      })
    }
  }
  return findings
}

/** How cameras differ in colour; those whose images do not fit say nothing of it. */
export function colourFindings(
  { cameras }: Subject,
  checks: readonly ClipCheck[],
  distrusted: ReadonlySet<number>,
): Finding[] {
  const changes = cameras.flatMap(({ index, name, test }) => {
    if (distrusted.has(index)) return []
    const own = checks.flatMap((check) => check.cameras[index]?.tint ?? [])
    return own.length > 0 ? [{ name, test, change: mostly(own.map((tint) => tint.change)), tint: own[0] }] : []
  })
  if (changes.length < 3) return []
  const far = changes.filter(({ change }) => change >= muchColour).sort((a, b) => b.change - a.change)
  const usual = median(changes.map(({ change }) => change))
  const figure = `usual ${usual.toFixed(1)} levels, most ${Math.max(...changes.map(({ change }) => change)).toFixed(1)}`
  if (far.length === 0 && usual < someColour) {
    const what = 'cameras agree in colour: compensation is not needed'
    return [{ severity: 'note', check: 'colour', what, where: '', figure, remedy: '' }]
  }
  const worst = far.map(({ name, change, tint }) => {
    const gain = tint?.gain.map((value) => value.toFixed(2)).join(' ') ?? ''
    return `${name} ${change.toFixed(0)} (gain ${gain})`
  })
  return [
    {
      severity: 'look',
      check: 'colour',
      what: 'cameras differ in colour: compensation is advised',
      where: some(worst, 4),
      figure,
      remedy:
        'train with a colour map for each camera (the preset default has it), or balance the images; test images are measured as they are',
    },
  ]
}

/** What most clips reach: the lower middle value. */
function mostly(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) >> 1] ?? Number.NaN
}
