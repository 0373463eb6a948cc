/**
 * VMs that were not there when a rollout was planned, or had no need of the agent then and have it now, such as one that was
 * stopped: who they are, which wave takes them, and what their coming changes. Pure.
 *
 * NC1  They get the version with or behind the last planned wave, never among the canaries: by then it is proven by all who went
 *      before. A wave that has begun takes nobody more. An architecture has its own package: where no planned host goes before
 *      them with it, it is not proven.
 * NC2  At most one wave is added, so that a fleet in which VMs are born all the time comes to its bake. Who is born later keeps
 *      what it runs, is listed, and gets the version by the next rollout of it.
 * NC3  They hold nothing: who cannot go along is listed with its reason, and looked at again while a wave could take it.
 * NC4  A canary means its canaries alone, and what is on its way back changes nobody new.
 * NC5  A rollback to a version begins without those who do not answer or cannot be listed: when the others are back they are
 *      asked once more, and go back too if they can.
 */
import type { Architecture } from './artifact.ts';
import type { ClassifiedHost, HostId } from './host.ts';
import type { EntryBody } from './journal.ts';
import type { LeftOutHost, NotPlanned, PlannedHost, Population } from './plan.ts';
import type { SurveyResult } from './planning.ts';
import { type HostProgress, type HostState, isFinished, type RolloutState, untouched } from './state.ts';

/** Reasons that pass by themselves: a VM boots, configuration management installs, a person decides. */
const PASSING: ReadonlySet<NotPlanned['kind']> = new Set<NotPlanned['kind']>([
  'unreachable',
  'agent-absent',
  'incapable',
  'undecided',
  'no-artifact',
  'no-way-back',
  'unproven-build',
]);

/** Left out of the plan because they need not have the agent: when they must, they are newcomers. */
const NEED_NOT: ReadonlySet<NotPlanned['kind']> = new Set<NotPlanned['kind']>([
  'not-running',
  'exempt',
  'excluded',
  'unsupported',
]);

/** The wave that newcomers join now; null: none can take them any more (NC1, NC2, NC4). */
export function joinableWave({
  phase,
  waveCount,
  plannedWaves,
  rollbackRequested,
}: RolloutState): number | null {
  if (rollbackRequested) return null;
  const last = waveCount - 1;
  switch (phase.kind) {
    case 'planned':
      return last > 0 ? last : waveCount;
    case 'acting':
    case 'soaking':
    case 'passed':
      if (last > phase.wave) return last;
      return waveCount === plannedWaves ? waveCount : null;
    default:
      return null;
  }
}

/** Those of a listing who must have the agent, or of whom nobody has said, and whom the rollout does not know or may take now. */
export function newcomersIn(rollout: RolloutState, fleet: readonly ClassifiedHost[]): ClassifiedHost[] {
  if (rollout.kind === 'canary' || rollout.rollbackRequested || isFinished(rollout)) return [];
  const canJoin = joinableWave(rollout) !== null;
  const leftOut = new Map(rollout.leftOut.map((one) => [one.id, one.why.kind]));
  return fleet.filter(({ host, eligibility }) => {
    if (eligibility.kind !== 'eligible' && eligibility.kind !== 'undecided') return false;
    if (rollout.hosts.has(host.id)) return false;
    const why = leftOut.get(host.id);
    return (
      why === undefined ||
      NEED_NOT.has(why) ||
      (canJoin && rollout.newcomers.has(host.id) && PASSING.has(why)) ||
      (canJoin && isAskedAgain(rollout, why))
    );
  });
}

/** NC5. Not before the first wave: the plan has only just asked them, and the others must not wait. */
function isAskedAgain({ kind, phase }: RolloutState, why: NotPlanned['kind']): boolean {
  return kind === 'rollback' && phase.kind !== 'planned' && why === 'unreachable';
}

/** Those of the plan that have the version, or are to have it before any newcomer. */
const GOES_BEFORE: ReadonlySet<HostState> = new Set<HostState>(['pending', 'installing', 'verified']);

/** NC1. What is gone back to has served already. */
export function unprovenBuild(
  { kind, hosts, newcomers }: RolloutState,
  architecture: Architecture,
): NotPlanned | null {
  if (kind === 'rollback') return null;
  for (const { host, state } of hosts.values()) {
    if (host.architecture === architecture && GOES_BEFORE.has(state) && !newcomers.has(host.id)) return null;
  }
  return { kind: 'unproven-build', architecture };
}

/** Listed, and nothing else: no wave can take it any more. An image or configuration management may have brought the version. */
export function bornLate({ host, eligibility }: ClassifiedHost, seen?: SurveyResult): LeftOutHost {
  const why: NotPlanned =
    eligibility.kind === 'undecided'
      ? eligibility
      : seen?.kind === 'surveyed' && seen.runsTarget
        ? { kind: 'already-there', packageVersion: seen.agent.packageVersion }
        : { kind: 'born-late' };
  return { id: host.id, name: host.name, zone: host.zone, role: host.role, why };
}

/** Without those of whom the journal says the same already. */
export function newlyLeftOut(rollout: RolloutState, leftOut: readonly LeftOutHost[]): LeftOutHost[] {
  const known = new Map(rollout.leftOut.map((one) => [one.id, one.why.kind]));
  return leftOut.filter(({ id, why }) => known.get(id) !== why.kind);
}

type Joined = Extract<EntryBody, { kind: 'hosts-joined' }>;

/** The rollout with those who have come; `hosts` are its own, with room for more. */
export function withJoined(
  rollout: RolloutState,
  { wave, hosts: joined, leftOut }: Joined,
  hosts: Map<HostId, HostProgress>,
): RolloutState {
  const fresh = joined.filter((host) => !hosts.has(host.id));
  for (const host of fresh) hosts.set(host.id, untouched(host, wave));
  const listed = leftOut.filter(({ id }) => !hosts.has(id));
  const known = new Set(rollout.leftOut.flatMap(({ id, why }) => (why.kind === 'unreachable' ? [id] : [])));
  const ids = new Set([...fresh, ...listed].map(({ id }) => id));
  return {
    ...rollout,
    hosts,
    waveCount: fresh.length > 0 ? Math.max(rollout.waveCount, wave + 1) : rollout.waveCount,
    leftOut: [...rollout.leftOut.filter(({ id }) => !ids.has(id)), ...listed],
    newcomers: new Set([...rollout.newcomers, ...ids]),
    // NC5: whom the plan knew and left out is counted in it.
    population: grown(
      rollout.population,
      fresh.filter(({ id }) => rollout.newcomers.has(id) || !known.has(id)),
    ),
  };
}

/** Bounds in percent are of all who must have the agent: they count from when they join. */
function grown(population: Population, hosts: readonly PlannedHost[]): Population {
  if (hosts.length === 0) return population;
  const byZone = new Map(Object.entries(population.byZone));
  const byRole = new Map(Object.entries(population.byRole));
  for (const { zone, role } of hosts) {
    byZone.set(zone, (byZone.get(zone) ?? 0) + 1);
    byRole.set(role, (byRole.get(role) ?? 0) + 1);
  }
  return {
    environment: population.environment + hosts.length,
    byZone: Object.fromEntries(byZone),
    byRole: Object.fromEntries(byRole),
  };
}
