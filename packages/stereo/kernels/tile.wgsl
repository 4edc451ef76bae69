// Which pixel an invocation has: a workgroup is a tile of the picture, so that neighbours read neighbouring texels.
//#include "../../tensor/kernels/common.wgsl"

const TILE_WIDTH = 16u;
const TILE_HEIGHT = 8u;

/// The place of an invocation in a picture that is `columns` wide; it may lie beyond.
fn placeOf(workgroup: u32, local: vec3u, columns: u32) -> vec2i {
  let across = divideUp(columns, TILE_WIDTH);
  let tile = vec2u(workgroup % across, workgroup / across);
  return vec2i(tile * vec2u(TILE_WIDTH, TILE_HEIGHT) + local.xy);
}
