// Features of the visible anchors by elements of 16 bytes.
//#include "./rows.wgsl"

alias Element = vec4f;

@compute @workgroup_size(256)
fn concatenate(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  concatenateElement(linearId(workgroup, grid) * 256u + local);
}

@compute @workgroup_size(256)
fn add(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  addElement(linearId(workgroup, grid) * 256u + local);
}

@compute @workgroup_size(256)
fn take(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  takeElement(linearId(workgroup, grid) * 256u + local);
}

@compute @workgroup_size(256)
fn give(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  giveElement(linearId(workgroup, grid) * 256u + local);
}
