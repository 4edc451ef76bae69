// What kernels of several packages need: the number of a workgroup, bits of floats, and halves.
//
// A launch of n workgroups is spread over x, y and z, so `linearId` may be n or more in the last ones: every kernel
// bounds what it does by a count. A compiler may take for granted that no float is NaN or infinite; what must hold for
// those is asked of their bits, and those come from memory or through `opaqueBits`.

/// The number of a workgroup in its launch.
fn linearId(workgroup: vec3u, grid: vec3u) -> u32 {
  return workgroup.x + grid.x * (workgroup.y + grid.y * workgroup.z);
}

fn divideUp(count: u32, by: u32) -> u32 {
  return (count + by - 1u) / by;
}

/// Neither NaN nor infinite, by the bits of an f32.
fn bitsAreFinite(bits: u32) -> bool {
  return (bits & 0x7f800000u) != 0x7f800000u;
}

fn bitsAreNan(bits: u32) -> bool {
  return (bits & 0x7fffffffu) > 0x7f800000u;
}

fn isFinite(x: f32) -> bool {
  return bitsAreFinite(bitcast<u32>(x));
}

fn isNan(x: f32) -> bool {
  return bitsAreNan(bitcast<u32>(x));
}

/// 1 / (1 + exp(-x)), 0 and 1 far from 0.
fn sigmoid(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(-x));
}

/// Byte `index` of u8 elements, four a word.
fn byteOf(word: u32, index: u32) -> u32 {
  return (word >> (8u * (index & 3u))) & 255u;
}

/// Element `index` of f16 elements, two a word.
fn halfOf(word: u32, index: u32) -> f32 {
  return unpack2x16float(word)[index & 1u];
}
