/**
 * A package that one environment is meant to run and another one of its line has rolled back: the same sha256 under both, which nobody
 * sees who looks at one of them. A quarantine holds back what would go forward; it takes back nothing that is there already.
 */
import type { Sha256 } from './artifact.ts';
import type { EnvironmentState, Quarantined } from './state.ts';

export interface HeldElsewhere {
  /** Where it is quarantined. */
  readonly environment: string;
  readonly version: string;
  readonly sha256: Sha256;
  /** The rollout that went back there. */
  readonly rolloutId: string;
}

export interface ElsewhereQuarantine {
  readonly environment: string;
  readonly quarantine: readonly Quarantined[];
}

/** What is meant to run here and is quarantined elsewhere, each place once. */
export function heldElsewhere(
  state: Pick<EnvironmentState, 'pin' | 'rollout'>,
  others: readonly ElsewhereQuarantine[],
): HeldElsewhere[] {
  const meant = new Set(meantDigests(state));
  return others.flatMap(({ environment, quarantine }) =>
    quarantine.flatMap(({ sha256, version, rolloutId }) =>
      meant.has(sha256) ? [{ environment, version, sha256, rolloutId }] : [],
    ),
  );
}

/** The pin's, and those of a rollout whose hosts have not all gone back. */
function meantDigests({ pin, rollout }: Pick<EnvironmentState, 'pin' | 'rollout'>): Sha256[] {
  const brought =
    rollout === null || rollout.phase.kind === 'rolled-back'
      ? []
      : Object.values(rollout.artifacts).map(({ sha256 }) => sha256);
  return [...Object.values(pin?.digests ?? {}), ...brought];
}
