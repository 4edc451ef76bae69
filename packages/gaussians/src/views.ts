import type { View } from '@clipgstream/camera'
import { check, type Device, type Tensor } from '@clipgstream/tensor'
import { checkView } from './check.js'

/** Numbers of a view: worldToCamera, fx, fy, cx, cy, width, height. */
export const viewWidth = 18

/**
 * What `visible` takes for several views, or for views that change under a captured graph: put it on the device as
 * [views, 18].
 * @throws ArgumentError for a view with a value out of its range
 */
export function viewRows(views: readonly View[]): Float32Array<ArrayBuffer> {
  const rows = new Float32Array(viewWidth * views.length)
  views.forEach((view, i) => {
    checkView('viewRows', view)
    const { worldToCamera, fx, fy, cx, cy, width, height } = view
    rows.set(worldToCamera, viewWidth * i)
    rows.set([fx, fy, cx, cy, width, height], viewWidth * i + 12)
  })
  return rows
}

/** Checks the views of `visible`; runs `body` with them on the device. */
export function withViews(device: Device, views: View | Tensor<'f32'>, body: (rows: Tensor<'f32'>) => void): void {
  if ('dtype' in views) {
    check('visible', device, 'views', views, 'f32', ['*', viewWidth])
    body(views)
    return
  }
  checkView('visible', views)
  using rows = device.from(viewRows([views]), [1, viewWidth], 'view')
  body(rows)
}
