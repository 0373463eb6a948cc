/** Which hosts of an environment a lifecycle command means, as it was typed. */
import type { Expression } from './expression.ts';

/**
 * `emergency` fails open: whoever may have the agent is meant, the last known list serves where the cloud does not answer, and the
 * journal is written when it answers. `calm` fails closed, as a rollout does.
 */
export type Polarity = 'emergency' | 'calm';

/** `hosts` and `where` together mean those that both name; `except` wins over everything. */
export interface Selection {
  /** All of it; otherwise what `hosts` or `where` name. */
  readonly fleet: boolean;
  /** Names, instance ids, or globs over names. */
  readonly hosts: readonly string[];
  /** null: no condition. May ask for `version`, `state` and `hold`, for which the hosts are looked at first. */
  readonly where: Expression | null;
  /** As `hosts`: these are left out. */
  readonly except: readonly string[];
}
