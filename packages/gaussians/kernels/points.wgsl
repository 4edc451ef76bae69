// Rows (x, y, z, t) of the field's input for the visible anchors.
//
// An invocation has a row. Rows behind count[0] are left alone.
// Floor: bytes only, 32 a row.
//#include "../../tensor/kernels/common.wgsl"

struct PointSettings { low: vec3f, rows: u32, high: vec3f, time: f32 }
struct PointsAtSettings { low: vec3f, rows: u32, high: vec3f }

@group(0) @binding(0) var<uniform> pointSettings: PointSettings;
@group(0) @binding(0) var<uniform> pointsAtSettings: PointsAtSettings;
@group(0) @binding(1) var<storage, read> count: array<u32>; // [1]
@group(0) @binding(2) var<storage, read> indices: array<u32>; // [rows]
@group(0) @binding(3) var<storage, read> positions: array<f32>; // [anchors, 3]
@group(0) @binding(4) var<storage, read_write> points: array<vec4f>; // [rows]

@group(0) @binding(5) var<storage, read> time: array<f32>; // [1]

/// points[row] = ((a - low) / (high - low), t); 0 along an axis without extent.
fn placePoint(row: u32, low: vec3f, high: vec3f, t: f32) {
  let first = 3u * indices[row];
  let position = vec3f(positions[first], positions[first + 1u], positions[first + 2u]);
  let extent = high - low;
  let flat = extent == vec3f(0);
  let unit = (position - low) / select(extent, vec3f(1), flat);
  points[row] = vec4f(select(unit, vec3f(0), flat), t);
}

@compute @workgroup_size(256)
fn fieldPoints(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let row = linearId(workgroup, grid) * 256u + local;
  if (row >= min(count[0], pointSettings.rows)) { return; }
  placePoint(row, pointSettings.low, pointSettings.high, pointSettings.time);
}

/// The same at a time that lies on the device.
@compute @workgroup_size(256)
fn fieldPointsAt(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let row = linearId(workgroup, grid) * 256u + local;
  if (row >= min(count[0], pointsAtSettings.rows)) { return; }
  placePoint(row, pointsAtSettings.low, pointsAtSettings.high, time[0]);
}
