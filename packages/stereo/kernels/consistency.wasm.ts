// Which pixels of a reference other views confirm, and where those say that the surface is.
//
// One chunk is `rows` rows of the reference. planes // [all pixels, 4] of all views (see match.wasm.ts). pairs // [S, 40]:
// 12 numbers from (x, y, 1, inverse depth) of the reference to the other's array, 12 back, 9 of the rotation from the other
// to the reference, fx, fy, cx, cy of the other, and three that are not used. frames // [S, 3]: first pixel, width, height.
// fused // [H, W, 4]: mean inverse depth, its change to the right and downwards, how many others agree (0: no surface).
// Scalar: the work is a few reads a source.

export function checkConsistency(
  chunk: i32, scratch: usize, rows: i32, planes: usize, fused: usize, pairs: usize, frames: usize, first: i32, width: i32,
  height: i32, sources: i32, fx: f32, fy: f32, cx: f32, cy: f32, maxCost: f32, maxPixels: f32, maxDepth: f32,
  minCosine: f32, agree: i32,
): void {
  const end = min(height, (chunk + 1) * rows)
  const maxSquared = maxPixels * maxPixels
  for (let y = chunk * rows; y < end; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = y * width + x
      const plane = planes + (((first + pixel) as usize) << 4)
      const rho = load<f32>(plane)
      const gx = load<f32>(plane, 4)
      const gy = load<f32>(plane, 8)
      let sum = rho
      let count = 0
      if (load<f32>(plane, 12) < maxCost) {
        // The normal, away from the camera.
        const mx = gx * fx
        const my = gy * fy
        const mz = rho - gx * ((x as f32) + 0.5 - cx) - gy * ((y as f32) + 0.5 - cy)
        const length = sqrt<f32>(mx * mx + my * my + mz * mz)
        for (let s = 0; s < sources; s++) {
          const pair = pairs + (s as usize) * 160
          const frame = frames + (s as usize) * 12
          const w = along(pair, 32, x as f32, y as f32, rho)
          if (!(w > 0)) continue
          const u = along(pair, 0, x as f32, y as f32, rho) / w
          const v = along(pair, 16, x as f32, y as f32, rho) / w
          const otherWidth = load<i32>(frame, 4)
          const otherHeight = load<i32>(frame, 8)
          if (!(u > -0.5 && v > -0.5 && u < (otherWidth as f32) - 0.5 && v < (otherHeight as f32) - 0.5)) continue
          const column = nearest<f32>(u)
          const row = nearest<f32>(v)
          const place = load<i32>(frame) + (row as i32) * otherWidth + (column as i32)
          const other = planes + ((place as usize) << 4)
          if (!(load<f32>(other, 12) < maxCost)) continue
          const ogx = load<f32>(other, 4)
          const ogy = load<f32>(other, 8)
          const orho = load<f32>(other) + ogx * (u - column) + ogy * (v - row)
          // The other's point, seen from here.
          const back = along(pair, 80, u, v, orho)
          if (!(orho > 0 && back > 0)) continue
          const there = orho / back
          if (!(abs(there - rho) <= maxDepth * rho)) continue
          const du = along(pair, 48, u, v, orho) / back - (x as f32)
          const dv = along(pair, 64, u, v, orho) / back - (y as f32)
          if (!(du * du + dv * dv <= maxSquared)) continue
          const ox = ogx * load<f32>(pair, 132)
          const oy = ogy * load<f32>(pair, 136)
          const oz = orho - ogx * (u + 0.5 - load<f32>(pair, 140)) - ogy * (v + 0.5 - load<f32>(pair, 144))
          const dot =
            mx * (load<f32>(pair, 96) * ox + load<f32>(pair, 100) * oy + load<f32>(pair, 104) * oz) +
            my * (load<f32>(pair, 108) * ox + load<f32>(pair, 112) * oy + load<f32>(pair, 116) * oz) +
            mz * (load<f32>(pair, 120) * ox + load<f32>(pair, 124) * oy + load<f32>(pair, 128) * oz)
          if (!(dot >= minCosine * length * sqrt<f32>(ox * ox + oy * oy + oz * oz))) continue
          sum += there
          count++
        }
      }
      const out = fused + ((pixel as usize) << 4)
      store<f32>(out, sum / ((count + 1) as f32))
      store<f32>(out, gx, 4)
      store<f32>(out, gy, 8)
      store<f32>(out, count >= agree ? (count as f32) : 0, 12)
    }
  }
}

/** A row of a matrix times (x, y, 1, rho). */
@inline
function along(pair: usize, row: usize, x: f32, y: f32, rho: f32): f32 {
  const m = pair + row
  return load<f32>(m) * x + load<f32>(m, 4) * y + load<f32>(m, 8) + load<f32>(m, 12) * rho
}
