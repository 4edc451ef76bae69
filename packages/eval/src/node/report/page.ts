/** The look of the report, light or dark as the reader's system. */
export const pageStyle = `
:root { color-scheme: light dark; --line: light-dark(#ccc, #444); --soft: light-dark(#f4f4f2, #222); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .25rem .45rem; text-align: right; border-bottom: 1px solid var(--line); font-weight: 400; }
thead th { font-weight: 600; } tbody th { text-align: left; } small { opacity: .6; font-weight: 400; }
.average { background: var(--soft); } .average > * { font-weight: 600; }
.notes { opacity: .8; font-size: .9rem; overflow-wrap: anywhere; }
figure { margin: 0; } svg { max-width: 100%; height: auto; background: transparent; }
.exhibits { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1.5rem; }
.exhibits img { display: block; width: 100%; height: auto; }
.compare { position: relative; --split: 50%; }
.compare .render { position: absolute; inset: 0; clip-path: inset(0 calc(100% - var(--split)) 0 0); }
.compare::after { content: ''; position: absolute; inset: 0 auto 0 var(--split); border-left: 1px solid #fff; mix-blend-mode: difference; pointer-events: none; }
.compare input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize; }
.compare:focus-within { outline: 2px solid Highlight; }
figcaption { font-size: .9rem; padding: .3rem 0; }
`

export const pageScript = `
for (const input of document.querySelectorAll('.compare input')) {
  input.addEventListener('input', () => input.parentElement.style.setProperty('--split', input.value + '%'))
}
`
