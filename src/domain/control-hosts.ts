/**
 * Who serves as control: hosts that have not been changed yet and that the changed ones are compared with. Pure and reproducible.
 *
 * CH1  Only hosts of waves that have not begun, as the plan found them: pending, never touched, and with an agent that nobody stopped.
 *      Of a canary, the plan's own controls.
 * CH2  Hosts that stay unchanged longest come first, so that the same ones serve from one evaluation to the next.
 * CH3  At most 30 of a stratum and 600 in all; strata with changed hosts before the others, which serve as a pooled reference.
 */
import type { HostId } from './host.ts';
import type { PlannedHost } from './plan.ts';
import type { HostProgress, RolloutState } from './state.ts';

/** Beyond this many hosts of a stratum another one tells hardly more. */
export const MOST_OF_A_STRATUM = 30;

/** Bounds the query, and what a canary's plan adds to the journal. */
export const MOST_CONTROLS = 600;

/** Hosts that serve as control for `changed`, in the order of the plan; none where nobody is left or no gate compares with control. */
export function controlHosts(
  rollout: RolloutState,
  changed: readonly HostProgress[],
  held: ReadonlySet<HostId>,
): HostId[] {
  const { phase, policy, controls } = rollout;
  if (phase.kind !== 'soaking' || rollout.kind === 'rollback') return [];
  if (!policy.gates.some(({ compare }) => compare?.with === 'control')) return [];
  const strata = new Set(changed.map(({ host }) => host.stratum));
  if (controls !== undefined) {
    const present = controls.filter(({ id }) => !held.has(id) && !rollout.hosts.has(id));
    return idsOf(chooseControls(present, strata));
  }
  const unchanged: PlannedHost[] = [];
  for (const progress of rollout.hosts.values()) {
    if (progress.wave > phase.wave && isAsFound(progress) && !held.has(progress.host.id))
      unchanged.push(progress.host);
  }
  return idsOf(chooseControls(unchanged, strata));
}

/** CH2, CH3, for hosts in the order in which they will be changed; the answer is in the same order. */
export function chooseControls<T extends { readonly stratum: string }>(
  hosts: readonly T[],
  changed: ReadonlySet<string>,
): T[] {
  const perStratum = new Map<string, number>();
  const ranked: { readonly place: number; readonly rank: number; readonly isOther: boolean }[] = [];
  for (let place = hosts.length - 1; place >= 0; place -= 1) {
    const stratum = hosts[place]?.stratum ?? '';
    const rank = perStratum.get(stratum) ?? 0;
    perStratum.set(stratum, rank + 1);
    if (rank < MOST_OF_A_STRATUM) ranked.push({ place, rank, isOther: !changed.has(stratum) });
  }
  // One of each stratum before a second of any: no stratum goes without because there are many of them.
  ranked.sort((a, b) => Number(a.isOther) - Number(b.isOther) || a.rank - b.rank || b.place - a.place);
  return ranked
    .slice(0, MOST_CONTROLS)
    .sort((a, b) => a.place - b.place)
    .flatMap(({ place }) => hosts[place] ?? []);
}

/** CH1. */
function isAsFound({ state, touched, touchedBefore, leftStopped, unheard }: HostProgress): boolean {
  return state === 'pending' && !touched && !touchedBefore && !leftStopped && unheard === null;
}

function idsOf(hosts: readonly PlannedHost[]): HostId[] {
  return hosts.map(({ id }) => id);
}
