/** How a WebGPU implementation is reached. */
export interface GpuRequest {
  /** The software adapter instead of a hardware one. */
  software: boolean
  /** Part of the name of a hardware adapter; any will do when left out. */
  adapter: string | undefined
  /** Whether shaders check every index (the default). Only Node can switch it off. */
  robust: boolean
}

export interface GpuSource {
  /** Must stay referenced as long as a device lives. */
  gpu: GPU
  /** For error messages: what adapters there are, as far as that can be known. */
  describe(): Promise<string>
  /** How a missing adapter can be had. */
  remedy: string
}

/** What differs between Node and a browser. */
export interface WebgpuHost {
  /** @throws DeviceUnavailableError where there is no implementation */
  open(request: GpuRequest): Promise<GpuSource>
  /** Environment variables; none in a browser. */
  environment(name: string): string | undefined
}
