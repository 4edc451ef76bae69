// Shows an image [height, width, 3] of floats on a canvas of its size.

@group(0) @binding(0) var<uniform> size: vec2u;
@group(0) @binding(1) var<storage, read> image: array<f32>;

/// One triangle that covers the canvas.
@vertex
fn corner(@builtin(vertex_index) index: u32) -> @builtin(position) vec4f {
  return vec4f(select(-1.0, 3.0, index == 1), select(-1.0, 3.0, index == 2), 0, 1);
}

@fragment
fn color(@builtin(position) position: vec4f) -> @location(0) vec4f {
  let pixel = min(vec2u(position.xy), size - 1);
  let at = 3 * (pixel.y * size.x + pixel.x);
  return vec4f(image[at], image[at + 1], image[at + 2], 1);
}
