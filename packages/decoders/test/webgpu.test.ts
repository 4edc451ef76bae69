import { webgpuForTests } from '../../tensor/test/webgpu-device.js'
import { headsSuite } from './suite.js'

headsSuite('WebGPU', await webgpuForTests(), { exact: ['fp32'], counts: [0, 1, 128, 257, 4_000_000_000] })
