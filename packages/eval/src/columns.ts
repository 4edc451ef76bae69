/** One column of the results. */
export interface Column {
  /** As in CSV and JSON. */
  readonly key: string
  /** What it is, for people. */
  readonly title: string
  readonly unit: string
  readonly better: 'higher' | 'lower'
}

const lpipsText = (name: string): string =>
  name.endsWith('-01') ? `LPIPS 0.1 of inputs in [0, 1], ${name.split('-')[1]}` : `LPIPS 0.1, ${name.split('-')[1]}`

/** All columns in their order. Those of the moving region are left out where no image has a mask. */
export function columnsOf(nets: readonly string[], masks: boolean): Column[] {
  const regions: Column[] = [
    { key: 'psnr_moving', title: 'PSNR inside the moving region', unit: 'dB', better: 'higher' },
    { key: 'psnr_outside', title: 'PSNR outside of the moving region', unit: 'dB', better: 'higher' },
  ]
  return [
    { key: 'psnr', title: 'PSNR', unit: 'dB', better: 'higher' },
    {
      key: 'psnr_fitted',
      title: 'PSNR behind the colour map that fits the view best over a clip, an upper bound',
      unit: 'dB',
      better: 'higher',
    },
    { key: 'dssim1', title: '(1 - SSIM) / 2', unit: '', better: 'lower' },
    { key: 'dssim2', title: '(1 - MS-SSIM) / 2', unit: '', better: 'lower' },
    ...nets.map((name): Column => ({ key: name, title: lpipsText(name), unit: '', better: 'lower' })),
    ...(masks ? regions : []),
    { key: 'flicker', title: 'Flicker of static pixels within clips', unit: '/255', better: 'lower' },
    { key: 'flicker_border', title: 'Flicker of static pixels across clip borders', unit: '/255', better: 'lower' },
  ]
}
