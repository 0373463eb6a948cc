/** How hosts are asked by the probe. */
export interface ProbeSettings {
  /** Most changed hosts, and most control hosts, that are asked in one evaluation. */
  readonly hosts: number;
  /** Distance of the two readings of a rate where the host has kept none, ms. */
  readonly sampleMs: number;
  /** Beside Prometheus: how often, ms, while all is clear. */
  readonly everyMs: number;
}

export const DEFAULT_PROBE: ProbeSettings = {
  hosts: 50,
  sampleMs: 5_000,
  everyMs: 300_000,
};
