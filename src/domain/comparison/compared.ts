/** What a comparison gives back: the finding for the verdict, and every changed host's own excess. */
import type { Comparison } from '../gate.ts';
import type { HostId } from '../host.ts';
import type { GateComparison } from '../policy.ts';

export interface Compared {
  readonly comparison: Comparison;
  /** Of each changed host that something could be told of. Worked out when asked for: most evaluations need none. */
  excess(): ReadonlyMap<HostId, Excess>;
}

export interface Excess {
  /** How much worse the host is than what it is compared with explains. */
  readonly excess: number;
  /** The least that matters. */
  readonly floor: number;
  readonly level: number;
  readonly stratum: string;
}

/** The least difference that matters beside a median of `level`; NaN: there is none. */
export function floorOf({ effect, relativeEffect }: GateComparison, level: number): number {
  return Number.isNaN(level) ? effect : Math.max(effect, relativeEffect * Math.abs(level));
}

/** Is a difference one that matters? 0.12 - 0.1 is 0.02, whatever that is in binary. */
export function reaches(shift: number, floor: number): boolean {
  return shift > 0 && shift >= floor * (1 - 1e-9);
}
