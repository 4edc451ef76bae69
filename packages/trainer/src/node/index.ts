export { openRunFolder } from './folder.js'
export { createLogWriter, type LogWriter } from './log-writer.js'
