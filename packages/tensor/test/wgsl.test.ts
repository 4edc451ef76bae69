import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { compileWgsl } from '../../../tools/wgsl.mjs'
import { openCheck } from '../../../tools/wgsl-check.mjs'
import { reflect } from '../../../tools/wgsl-reflect.mjs'

const folder = mkdtempSync(join(tmpdir(), 'clipgstream-wgsl-'))
afterAll(() => rmSync(folder, { recursive: true }))

function write(name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

async function problem(text: string): Promise<string> {
  const file = write('bad.wgsl', text)
  const check = await openCheck()
  return compileWgsl(file, check).then(
    () => 'no problem',
    // Paths and what the compiler says beyond its first line depend on where this runs.
    (error: Error) => (error.message.split('\n')[0] ?? '').replace(/\S*bad\.wgsl/g, 'bad.wgsl'),
  )
}

describe('sources', () => {
  it('includes a file once and makes a variant for each combination of flags', async () => {
    write('shared.wgsl', 'fn twice(x: u32) -> u32 { return 2u * x; }')
    write('middle.wgsl', '//#include "shared.wgsl"\nfn thrice(x: u32) -> u32 { return twice(x) + x; }')
    const file = write(
      'main.wgsl',
      `//#include "middle.wgsl"
//#include "shared.wgsl"
@group(0) @binding(1) var<storage, read_write> words: array<u32>;
@compute @workgroup_size(32)
fn run(@builtin(local_invocation_index) i: u32) {
  //#if SUBGROUPS
  words[i] = subgroupAdd(thrice(i));
  //#if F16
  words[i] += u32(f16(1.0));
  //#endif
  //#else
  words[i] = twice(i);
  //#endif
  //#repeat k 3 SUBGROUPS
  words[k] = k;
  //#endrepeat
}`,
    )
    const variants = await compileWgsl(file, await openCheck())
    expect(variants.map(({ flags }) => flags)).toEqual([['SUBGROUPS', 'F16'], ['SUBGROUPS'], ['F16'], []])
    expect(variants.map(({ code }) => code.split('fn twice').length - 1)).toEqual([1, 1, 1, 1])
    expect(variants[0]?.code).toMatch(/^enable subgroups;\nenable f16;\n/)
    expect(variants[1]?.code).toContain('{\n  words[2u] = 2u;\n}')
    expect(variants[3]?.code).toContain('for (var k = 0u; k < 3u; k++) {\n  words[k] = k;\n}')
  })

  it('says where a mistake is', async () => {
    expect(
      await problem('fn a() {\n  let x = 1u + 1.5f;\n}\n@compute @workgroup_size(1) fn run() {}'),
    ).toMatchInlineSnapshot(`"bad.wgsl:2: no matching overload for 'operator + (u32, f32)'"`)
    expect(await problem('//#include "none.wgsl"')).toMatchInlineSnapshot(`"bad.wgsl:1: there is no "none.wgsl""`)
    expect(await problem('//#if WAVES\n//#endif')).toMatchInlineSnapshot(
      `"bad.wgsl:1: WAVES is not one of SUBGROUPS, F16"`,
    )
    expect(await problem('//#if F16\nfn a() {}')).toMatchInlineSnapshot(`"bad.wgsl: //#if without //#endif"`)
    expect(await problem('//#else')).toMatchInlineSnapshot(`"bad.wgsl:1: there is no //#if before"`)
    expect(await problem('//#repeat i')).toMatchInlineSnapshot(
      `"bad.wgsl:1: //#repeat takes a name, a number and a flag, and no other within"`,
    )
    expect(await problem('/* /* */')).toMatchInlineSnapshot(`"a comment is not closed"`)
    expect(await problem('@compute @workgroup_size(512) fn run() {}')).toMatchInlineSnapshot(
      `"run: Entry-point uses workgroup_size(512, 1, 1) that exceeds the maximum allowed (256, 256, 64)."`,
    )
  })

  it('refuses what is not portable', async () => {
    const bindings = Array.from({ length: 9 }, (_, i) => `@group(0) @binding(${i + 1}) var<storage> b${i}: array<u32>;`)
    const uses = bindings.map((_, i) => `b${i}[0]`).join(' + ')
    const entry = (body: string) => `@compute @workgroup_size(1) fn run() { let x = ${body}; }`
    expect(await problem(`${bindings.join('\n')}\n${entry(uses)}`)).toMatchInlineSnapshot(
      `"run: 9 storage bindings, at most 8 are portable (b0, b1, b2, b3, b4, b5, b6, b7, b8)"`,
    )
    const two = (a: string, b: string) =>
      problem(
        `struct S { x: u32 }\n${a} var<uniform> first: S;\n${b} var<uniform> second: S;\n${entry('first.x + second.x')}`,
      )
    expect(await two('@group(0) @binding(0)', '@group(0) @binding(9)')).toMatchInlineSnapshot(
      `"run: more than one uniform (first, second)"`,
    )
    expect(await two('@group(0) @binding(0)', '@group(0) @binding(0)')).toMatchInlineSnapshot(
      `"run: first and second have the same @binding(0)"`,
    )
    expect(await two('@group(0) @binding(0)', '@group(1) @binding(0)')).toMatchInlineSnapshot(
      `"run: second must be in @group(0)"`,
    )
  })
})

describe('reflection', () => {
  it('finds what an entry reaches, through functions, and not what a local hides', () => {
    const { entries, overrides } = reflect(`
      alias Words = array<u32>;
      struct Pair { a: vec3f, b: u32 }
      override width: u32 = 4;
      override depth: u32;
      @group(0) @binding(1) var<storage, read_write> words: Words;
      @group(0) @binding(2) var<storage> pairs: array<Pair>;
      @group(0) @binding(3) var<storage> floats: array<vec4<f32>>;
      @group(0) @binding(4) var<storage> count: array<u32>;
      var<workgroup> tile: array<atomic<u32>, width * 2>;
      fn inner(count: u32) -> f32 { return floats[count].x; } // not pairs /* nor */ words
      fn outer() -> f32 { let pairs = inner(1u); return pairs; }
      @compute @workgroup_size(width, 2)
      fn first() { words[0] = u32(outer()); }
      @compute @workgroup_size(1)
      fn second(@builtin(local_invocation_index) i: u32) { let x = pairs[i].b + atomicLoad(&tile[depth]); }
    `)
    expect(overrides.map(({ name, hasDefault }) => [name, hasDefault])).toEqual([
      ['width', true],
      ['depth', false],
    ])
    expect(entries).toMatchObject([
      {
        name: 'first',
        workgroupSize: [4, 2, 1],
        uniform: null,
        storage: [
          { name: 'words', access: 'read_write', element: 'u32' },
          { name: 'floats', access: 'read', element: 'f32' },
        ],
        overrides: ['width'],
      },
      { name: 'second', storage: [{ name: 'pairs', element: 'struct' }], overrides: ['width', 'depth'] },
    ])
  })

  it('lays out uniforms', () => {
    const [entry] = reflect(`
      const n = 2u * (1 + 1);
      struct Inner { direction: vec3f, length: f32 }
      struct Settings { a: u32, v: vec2f, m: mat3x3f, w: array<vec4u, n>, inner: Inner, last: i32 }
      @group(0) @binding(0) var<uniform> settings: Settings;
      @compute @workgroup_size(1) fn run() { let x = settings.a; }
    `).entries
    const { size, members } = entry?.uniform ?? { size: 0, members: [] }
    expect(size).toBe(160)
    expect(members.map(({ name, offsets }) => [name, offsets[0], offsets.length])).toEqual([
      ['a', 0, 1],
      ['v', 8, 2],
      ['m', 16, 9],
      ['w', 64, 16],
      ['inner', 128, 4],
      ['last', 144, 1],
    ])
    expect(members[2]?.offsets).toEqual([16, 20, 24, 32, 36, 40, 48, 52, 56])
  })
})
