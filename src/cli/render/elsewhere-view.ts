/** What runs here and was taken back there, in words: a quarantine stops what goes forward, and takes back nothing. */
import { heldElsewhere } from '../../domain/held-elsewhere.ts';
import type { EnvironmentState } from '../../domain/state.ts';
import type { Elsewhere } from '../../engine/read-elsewhere.ts';
import { facts, type Paint } from './paint.ts';

/** Below an environment's title; empty where there is nothing to beware of. */
export function elsewhereLines(
  name: string,
  state: Pick<EnvironmentState, 'pin' | 'rollout'>,
  { told, unread }: Elsewhere,
  paint: Paint,
): string[] {
  const rows = heldElsewhere(state, told).map(
    ({ environment, version, sha256, rolloutId }): [string, string] => [
      'beware',
      `${paint.bad(`${version} (${sha256.slice(0, 12)}), which ${name} has, is QUARANTINED in ${environment}`)}: ${rolloutId} took the very same file back there; rollout history ${environment} says why, rollout rollback ${name} takes it back here`,
    ],
  );
  const isAnythingMeant = state.pin !== null || state.rollout !== null;
  if (unread.length > 0 && isAnythingMeant)
    rows.push([
      'not known',
      `whether what ${name} has is quarantined in ${unread.join(', ')}: the journal there cannot be read`,
    ]);
  return facts(rows, paint);
}
