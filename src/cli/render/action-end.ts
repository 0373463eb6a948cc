/** What there is to say when a lifecycle action is over, in all its environments. */
import type { HoldTerms, LifecycleVerb } from '../../domain/lifecycle.ts';
import type { LifecycleReport } from '../../engine/lifecycle-types.ts';

/** What was asked and could not even be begun, such as an environment whose file is wrong. */
export interface NotBegun {
  readonly environment: string;
  readonly why: string;
  /** What shows more of it. Absent: nothing does. */
  readonly next?: string;
}

/** Somebody or something that was meant and is not covered, though no attempt was made. */
export interface NotReached {
  readonly environment: string;
  readonly what: string;
  readonly why: string;
}

export interface ActionEnd {
  readonly verb: LifecycleVerb;
  readonly now: boolean;
  readonly reports: readonly LifecycleReport[];
  readonly notBegun: readonly NotBegun[];
  readonly notReached: readonly NotReached[];
  /** Of what stops; null: none was left. */
  readonly hold: HoldTerms | null;
  /** That these were hosts of what ships with the program. Null or absent: they were one's own. */
  readonly notOwn?: string | null;
  /** `osqueryd` or `rollout osqueryd`. */
  readonly typed: string;
  /** What was typed besides and holds for the next command as well, each word as a shell takes it, such as `--config ./own`. */
  readonly carried?: readonly string[];
  /** When it was agreed to, ms since the epoch. */
  readonly startedAt: number;
  /** Until all was done and written down. */
  readonly tookMs: number;
}
