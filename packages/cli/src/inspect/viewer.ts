import { escapeHtml, jsonForHtml } from './markup.js'
import type { SceneData } from './scene.js'
import { viewerScript } from './viewer-script.js'

const style = `
:root { color-scheme: dark; }
html, body { margin: 0; height: 100%; overflow: hidden; background: #141417; color: #ddd; font: 13px/1.4 system-ui, sans-serif; }
canvas { position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none; }
#labels { pointer-events: none; }
#panel { position: absolute; left: 12px; top: 12px; background: #1f1f24e0; padding: 10px 14px; border-radius: 8px; max-width: 16rem; }
#panel h1 { font-size: 14px; margin: 0 0 6px; overflow-wrap: anywhere; }
#panel label { display: flex; gap: 8px; align-items: center; justify-content: space-between; margin: 3px 0; }
#panel input[type=range] { width: 8rem; } #panel select { max-width: 9rem; }
#panel p { margin: 6px 0 0; opacity: .7; font-size: 12px; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: 4px; }
#failed { position: absolute; inset: 40% 10% auto; text-align: center; }
`

/** One page that needs nothing else: points and cameras to turn around, to go to, and to look through. */
export function viewerHtml(data: SceneData): string {
  const options = data.clouds.map(({ label }, i) => `<option value="${i}">${escapeHtml(label)}</option>`).join('')
  const [train, test] = [data.cameras.filter((camera) => !camera.test), data.cameras.filter((camera) => camera.test)]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(data.title)}: cameras and points</title>
<style>${style}</style>
</head>
<body>
<canvas id="space"></canvas><canvas id="labels"></canvas>
<div id="panel">
<h1>${escapeHtml(data.title)}</h1>
<div><span class="key" style="background:#6cc4ff"></span>${train.length} for training
<span class="key" style="background:#ffc24d;margin-left:8px"></span>${test.length} for testing
<span class="key" style="background:#ff5c5c;margin-left:8px"></span>look at</div>
${data.clouds.length > 0 ? `<label>points <select id="cloud">${options}<option value="-1">none</option></select></label>` : '<div>no points</div>'}
<label>point size <input id="size" type="range" min="0.2" max="4" step="0.1" value="1"></label>
<label>camera size <input id="reach" type="range" min="0.02" max="0.6" step="0.01" value="0.16"></label>
<label>images <input id="images" type="checkbox" checked></label>
<label>names <input id="names" type="checkbox" checked></label>
<p>Drag to turn, right button or two fingers to move, wheel to come near, click a camera to look through it, Escape to go back.</p>
</div>
<script type="application/json" id="data">${jsonForHtml(data)}</script>
<script>${viewerScript}</script>
</body>
</html>
`
}
