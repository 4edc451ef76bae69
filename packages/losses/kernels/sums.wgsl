// Sums over a workgroup in an order that depends on its size alone.

var<workgroup> workgroupSums: array<vec4f, 256>;

/// Sum of `value` over the first `threads` invocations, a power of two of at most 256; all of the workgroup must call it.
/// Every invocation gets it.
fn sumOfWorkgroup(value: vec4f, local: u32, threads: u32) -> vec4f {
  workgroupBarrier();
  workgroupSums[local] = value;
  workgroupBarrier();
  for (var step = threads / 2u; step > 0u; step /= 2u) {
    if (local < step) { workgroupSums[local] += workgroupSums[local + step]; }
    workgroupBarrier();
  }
  return workgroupSums[0];
}
