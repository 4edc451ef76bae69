import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cameraToWorldFrom } from '@clipgstream/camera'
import { openDataset } from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'

export interface Shot {
  readonly split: 'train' | 'test'
  readonly camera: number
  readonly frame: number
}

/**
 * A capture of one camera that is somewhere else in every frame, as D-NeRF's scenes are: single images of a dataset of a static
 * rig, by `transforms_{train,test}.json`, with the cloud of clip 0.
 */
export async function writeMoving(folder: string, from: string, shots: readonly Shot[]): Promise<void> {
  const dataset = await openDataset(nodeFolder(from))
  const last = Math.max(...shots.map(({ frame }) => frame))
  for (const split of ['train', 'test'] as const) {
    mkdirSync(join(folder, split), { recursive: true })
    const frames = shots
      .filter((shot) => shot.split === split)
      .map(({ camera, frame }, i) => {
        const view = dataset.cameras[camera]?.view
        const image = dataset.imagePath(camera, frame)
        if (!view || !image) throw new Error(`${from} has no camera ${camera} or no frame ${frame}`)
        copyFileSync(join(from, image), join(folder, split, `r_${i}.jpg`))
        const { width: w, height: h, fx: fl_x, fy: fl_y, cx, cy } = view
        const m = [...cameraToWorldFrom(view.worldToCamera, 'opengl'), 0, 0, 0, 1]
        const transform_matrix = [0, 4, 8, 12].map((row) => m.slice(row, row + 4))
        return { file_path: `./${split}/r_${i}`, time: frame / last, w, h, fl_x, fl_y, cx, cy, transform_matrix }
      })
    writeFileSync(join(folder, `transforms_${split}.json`), JSON.stringify({ frames }))
  }
  copyFileSync(join(from, 'plys', '0.ply'), join(folder, 'points3d.ply'))
}
