// Rows for the decoders, gathered by the list of visible anchors, and the way back; of `Element`s, which the file that
// includes this one defines (f32, or vec4f where all widths are multiples of four; widths are given in elements).
//
// An invocation has an element of a row. Every visible anchor occurs once in the list, so that the way back adds to rows
// of the anchors without conflicts. Rows behind count[0] are left alone.
// Floor: bytes only, each value read once and written once. Limits: 2^32 elements.
//#include "../../tensor/kernels/common.wgsl"

struct ConcatenateSettings { rows: u32, staticWidth: u32, dynamicWidth: u32 }
struct AddSettings { rows: u32, staticWidth: u32 }
struct TakeSettings { rows: u32, stride: u32, offset: u32, width: u32 }
struct GiveSettings { rows: u32, stride: u32, width: u32 }

@group(0) @binding(0) var<uniform> concatenateSettings: ConcatenateSettings;
@group(0) @binding(0) var<uniform> addSettings: AddSettings;
@group(0) @binding(0) var<uniform> takeSettings: TakeSettings;
@group(0) @binding(0) var<uniform> giveSettings: GiveSettings;
@group(0) @binding(1) var<storage, read> count: array<u32>; // [1]
@group(0) @binding(2) var<storage, read> indices: array<u32>; // [rows]
@group(0) @binding(3) var<storage, read> fixed: array<Element>; // [anchors, staticWidth]
@group(0) @binding(4) var<storage, read> dynamic: array<Element>; // [rows, dynamicWidth]
@group(0) @binding(5) var<storage, read_write> combined: array<Element>; // [rows, both or staticWidth]
@group(0) @binding(3) var<storage, read> vCombined: array<Element>; // [rows, stride]
@group(0) @binding(4) var<storage, read_write> vDynamic: array<Element>; // [rows, width]
@group(0) @binding(5) var<storage, read_write> vFixed: array<Element>; // [anchors, width]

/// combined[row] = [fixed[indices[row]] ; dynamic[row]]
fn concatenateElement(i: u32) {
  let cs = concatenateSettings.staticWidth;
  let cd = concatenateSettings.dynamicWidth;
  let row = i / (cs + cd);
  if (row >= min(count[0], concatenateSettings.rows)) { return; }
  let column = i - row * (cs + cd);
  if (column < cs) { combined[i] = fixed[indices[row] * cs + column]; } else { combined[i] = dynamic[row * cd + column - cs]; }
}

/// combined[row] = fixed[indices[row]] + dynamic[row]
fn addElement(i: u32) {
  let width = addSettings.staticWidth;
  let row = i / width;
  if (row >= min(count[0], addSettings.rows)) { return; }
  combined[i] = dynamic[i] + fixed[indices[row] * width + i - row * width];
}

/// vDynamic[row] = vCombined[row][offset .. offset + width]
fn takeElement(i: u32) {
  let row = i / takeSettings.width;
  if (row >= min(count[0], takeSettings.rows)) { return; }
  let column = i - row * takeSettings.width;
  vDynamic[i] = vCombined[row * takeSettings.stride + takeSettings.offset + column];
}

/// vFixed[indices[row]] += vCombined[row][.. width]
fn giveElement(i: u32) {
  let row = i / giveSettings.width;
  if (row >= min(count[0], giveSettings.rows)) { return; }
  let column = i - row * giveSettings.width;
  vFixed[indices[row] * giveSettings.width + column] += vCombined[row * giveSettings.stride + column];
}
