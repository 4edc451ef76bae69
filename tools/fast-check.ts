// What tests get for `fast-check`: the same random cases in every run, or those of CLIPGSTREAM_FUZZ_SEED.
import fc from 'fast-check'

fc.configureGlobal({ seed: Number(process.env['CLIPGSTREAM_FUZZ_SEED'] ?? 1) })

export * from 'fast-check'
export default fc
