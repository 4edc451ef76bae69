// Makes a dataset and kills itself, as a power cut would, when a step has come as far as it was told.
import { processRecordings } from '@clipgstream/process'

process.env['FAKE_PARENT'] = String(process.pid)
const [source = '', dataset = '', options = '', killStep, killDone] = process.argv.slice(2)
await processRecordings(source, dataset, JSON.parse(options), (event) => {
  const there =
    (event.type === 'progress' && event.step === killStep && event.done >= Number(killDone)) ||
    (event.type === 'step' && event.step === killStep && event.state === killDone)
  if (there) process.kill(process.pid, 'SIGKILL')
})
process.stdout.write('finished')
