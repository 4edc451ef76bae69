// `using` needs Symbol.dispose, which some browsers lack.
if (!Symbol.dispose) Object.defineProperty(Symbol, 'dispose', { value: Symbol.for('Symbol.dispose') })
