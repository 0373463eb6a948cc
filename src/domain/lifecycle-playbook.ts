/** A playbook of the lifecycle, resolved. */
import type { LifecycleVerb } from './lifecycle.ts';
import type { GatePolicy, WavePolicy } from './policy.ts';

/** A lifecycle action done with care, as a playbook says it: in waves, watched. */
export interface LifecyclePlaybook {
  readonly name: string;
  readonly file: string;
  readonly action: LifecycleVerb;
  readonly description: string;
  /** For one attempt at one host, delivery of a package included, ms. */
  readonly timeoutMs: number;
  /** null: all hosts at once, and nothing is watched. */
  readonly strategy: {
    readonly waves: WavePolicy;
    /** Observed time that each wave must stay healthy, ms. */
    readonly soakMs: number;
    readonly gates: readonly GatePolicy[];
    readonly sampleEveryMs: number;
    readonly sampleDelayMs: number;
    /** Hosts that may fail or not answer before no further wave is begun. */
    readonly failedHosts: number;
  } | null;
}
