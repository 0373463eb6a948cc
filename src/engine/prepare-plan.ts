/**
 * Everything that must be true before a rollout may start, looked up without changing anything: `plan` prints it,
 * `deploy`, `promote` and `canary` refuse on its blockers. All blockers at once.
 *
 * N1  An unknown zone, an undecided host, or more silent hosts than allowed block: a promotion fails closed.
 * N2  A host without a way back blocks; the packages of both ways are read back from the store and compared.
 * N3  A quarantined digest blocks, whichever environment of the line quarantined it. Each environment has its own file and
 *     digest of a version, so across the line it is the version that counts.
 * N4  The way back to a version that the environment has had (`singleWave`) is not blocked by hosts that cannot go along: they
 *     are left out and listed, those in a zone that cannot be listed as the journal last knew them. To any other version it is
 *     no way back, and blocked.
 * N5  A fleet in which nobody must have the agent blocks: a pin would move that no host has ever run, by a slip in `targeting`.
 */
import type { Artifact, Release } from '../domain/artifact.ts';
import { type FleetRecord, foldFleet } from '../domain/fleet-changes.ts';
import type { Host } from '../domain/host.ts';
import { type Pace, paceInWords, paceOf } from '../domain/pacing.ts';
import type { LeftOutHost, Plan } from '../domain/plan.ts';
import { planRollout } from '../domain/planning.ts';
import type { RolloutPolicy } from '../domain/policy.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { servedVersions } from '../domain/served.ts';
import type { Quarantined } from '../domain/state.ts';
import { isUnknownPlace } from '../domain/unknown-zones.ts';
import { compareVersions } from '../domain/version.ts';
import type { EngineContext, Refusal } from './context.ts';
import { refuse } from './context.ts';
import { journalTrouble } from './ledger.ts';
import { calledOff, type Fleet, type LookedAt, listFleet, lookAtHosts, surveyOf } from './survey.ts';

export interface PlanRequest {
  readonly version: string;
  /** Digests that are quarantined anywhere in the promotion line. */
  readonly quarantine: readonly Quarantined[];
  readonly canaryOnly?: boolean;
  /** The way back to a version that the environment has had, everywhere at once. */
  readonly singleWave?: boolean;
}

export interface PreparedPlan {
  readonly release: Release;
  readonly plan: Plan;
  readonly fleet: Fleet;
  /** What looking at the eligible hosts brought. */
  readonly looked: readonly LookedAt[];
  readonly blockers: readonly Refusal[];
  /** What starts cost the agents' server; null: nothing is known of it. */
  readonly pace: (Pace & { readonly words: string }) | null;
}

/** Fails only where nothing can be planned at all; everything else is a blocker beside the plan. */
export async function preparePlan(
  context: EngineContext,
  request: PlanRequest,
  signal?: AbortSignal,
): Promise<Result<PreparedPlan, Refusal>> {
  const { name, policy } = context.environment;
  const staged = await context.store.list();
  if (!staged.ok) {
    return err(
      refuse('failed', 'store-failed', `cannot read the artifact store of ${name}: ${staged.error.message}`),
    );
  }
  const release = releaseFrom(staged.value, request.version);
  if (release === null) return err(notStaged(name, request.version, staged.value));
  const fleet = await listFleet(context, signal);
  if (!fleet.ok) return fleet;
  const looked = await lookAtHosts(context, fleet.value.hosts, signal);
  if (signal?.aborted) return err(calledOff(context, 'looking at'));
  const isWayBack = request.singleWave === true;
  const journal = isWayBack ? await context.journal.read(0) : null;
  const unlisted = journal?.ok === true ? outOfSight(foldFleet(journal.value), fleet.value) : null;
  const pace = paceFor(policy, fleet.value);
  const planned = planRollout({
    hosts: fleet.value.hosts,
    survey: surveyOf(looked, release),
    target: release,
    staged: staged.value,
    policy: policy.waves,
    ...(pace === null || isWayBack ? {} : { mostInWave: pace.mostInWave }),
    ...(request.canaryOnly === true ? { canaryOnly: true } : {}),
    ...(request.singleWave === true ? { singleWave: true } : {}),
  });
  const plan = { ...planned, leftOut: [...planned.leftOut, ...(unlisted ?? [])] };
  const blockers = [
    ...quarantineBlockers(release, request.quarantine, isWayBack ? 'digest' : 'version'),
    ...(unlisted === null ? zoneBlockers(name, fleet.value) : []),
    ...nobodyBlockers(name, fleet.value, context.environment.targeting.include),
    ...(journal !== null
      ? servedBlockers(context, request.version, journal)
      : [
          ...undecidedBlockers(name, fleet.value),
          ...hostBlockers(name, plan.leftOut, policy.limits.unreachableHosts),
        ]),
    ...(await storeBlockers(context, release, plan)),
    ...(pace === null || isWayBack ? [] : paceBlockers(policy, pace)),
  ];
  return ok({ release, plan, fleet: fleet.value, looked, blockers, pace });
}

function paceFor({ pacing }: RolloutPolicy, { hosts }: Fleet): PreparedPlan['pace'] {
  if (pacing === undefined) return null;
  const agents = pacing.agents ?? hosts.filter(({ eligibility }) => eligibility.kind === 'eligible').length;
  const pace = paceOf(pacing, agents);
  return { ...pace, words: paceInWords(pacing, agents, pace) };
}

function paceBlockers(
  { pacing }: RolloutPolicy,
  { gapMs, words }: NonNullable<PreparedPlan['pace']>,
): Refusal[] {
  if (gapMs !== null || pacing === undefined) return [];
  const next = 'a larger pacing.budget, longer intervals, or no pacing where nobody suffers from it';
  return [refuse('held', 'no-room', words, { next })];
}

export function releaseFrom(artifacts: readonly Artifact[], version: string): Release | null {
  const ours = artifacts.filter((artifact) => artifact.version === version);
  if (ours.length === 0) return null;
  return {
    version,
    artifacts: Object.fromEntries(ours.map((artifact) => [artifact.architecture, artifact])),
  };
}

function notStaged(name: string, version: string, staged: readonly Artifact[]): Refusal {
  const versions = [...new Set(staged.map((artifact) => artifact.version))].sort(compareVersions);
  const have = versions.length === 0 ? 'nothing is staged there' : `staged there: ${versions.join(', ')}`;
  return refuse('failed', 'not-staged', `${name} has no package of ${version}; ${have}`, {
    next: `rollout stage ${version} --package ${name}=FILE`,
  });
}

/** N3. By `digest` alone for the way back: another environment's trouble with the version must not close it. */
export function quarantineBlockers(
  release: Release,
  quarantine: readonly Quarantined[],
  by: 'digest' | 'version',
): Refusal[] {
  const digests = new Set(Object.values(release.artifacts).map((artifact) => artifact.sha256));
  return quarantine
    .filter((held) => digests.has(held.sha256) || (by === 'version' && held.version === release.version))
    .map((held) =>
      refuse(
        'failed',
        'quarantined',
        `${release.version} (${held.architecture}) was rolled back in ${held.rolloutId} and is quarantined: sha256 ${held.sha256}`,
        { next: `rollout quarantine lift ${held.sha256} --reason TEXT` },
      ),
    );
}

/** N4. */
function servedBlockers(
  context: EngineContext,
  version: string,
  read: Awaited<ReturnType<EngineContext['journal']['read']>>,
): Refusal[] {
  const { name, promotesFrom } = context.environment;
  if (!read.ok) {
    return [refuse('failed', `journal-${read.error.kind}`, journalTrouble(read.error))];
  }
  const served = servedVersions(read.value);
  if (served.has(version)) return [];
  const had = served.size === 0 ? 'there is nothing yet' : `there is ${[...served].join(', ')}`;
  return [
    refuse('failed', 'never-served', `${version} is not among what ${name} can go back to; ${had}`, {
      next: promotesFrom === null ? `rollout deploy ${name} ${version}` : `rollout promote ${name}`,
    }),
  ];
}

/** N4. Null: the journal has no record of the fleet, so that nobody could be named. */
function outOfSight(record: FleetRecord, { hosts, unknownZones }: Fleet): LeftOutHost[] | null {
  if (record.at === 0) return null;
  const unknown = new Set(unknownZones.map(({ zone }) => zone));
  const present = new Set(hosts.map(({ host }) => host.id));
  return [...record.hosts.values()]
    .filter(
      ({ id, goneAt, eligibility, ...place }) =>
        goneAt === null &&
        !present.has(id) &&
        isUnknownPlace(place, unknown) &&
        (eligibility.kind === 'eligible' || eligibility.kind === 'undecided'),
    )
    .map(({ id, name, zone, role }) => ({
      id,
      name,
      zone,
      role,
      why: { kind: 'unreachable', why: `its zone ${zone} could not be listed` },
    }));
}

/** N1. */
function zoneBlockers(name: string, { unknownZones }: Fleet): Refusal[] {
  if (unknownZones.length === 0) return [];
  return [
    refuse(
      'held',
      'unknown-zones',
      `${unknownZones.length} zone(s) of ${name} could not be listed: what runs there is unknown, which is not the same as nothing`,
      {
        details: unknownZones.map(({ zone, why }) => `${zone}: ${why}`),
        next: `rollout doctor ${name} says whether rights are missing; once they can be listed, type this again`,
      },
    ),
  ];
}

/** N5. */
function nobodyBlockers(name: string, { hosts, unknownZones }: Fleet, include: string): Refusal[] {
  const needed = hosts.some(({ eligibility: { kind } }) => kind === 'eligible' || kind === 'undecided');
  if (needed || unknownZones.length > 0) return [];
  const excluded = hosts.filter(({ eligibility }) => eligibility.kind === 'excluded').length;
  const why = excluded === 0 ? '' : `; ${excluded} are outside targeting.include (${include})`;
  return [
    refuse(
      'held',
      'no-hosts',
      `no VM of ${name} must have the agent, of ${hosts.length} in the inventory${why}`,
      { next: `rollout fleet ${name} says why of each` },
    ),
  ];
}

/** N1. */
function undecidedBlockers(name: string, { hosts }: Fleet): Refusal[] {
  const details = hosts.flatMap(({ host, eligibility }) =>
    eligibility.kind === 'undecided' ? [`${host.name} (${placeOf(host)}): ${eligibility.evidence}`] : [],
  );
  if (details.length === 0) return [];
  return [
    refuse(
      'held',
      'undecided-hosts',
      `${details.length} host(s) of ${name}: nobody has said whether they must have the agent`,
      {
        details,
        next: `decide by a rule in environments/${name}.yaml: targeting.eligible, or targeting.exempt with its reason and its end`,
      },
    ),
  ];
}

function placeOf({ project, zone }: Host): string {
  return project === undefined ? zone : `${project}/${zone}`;
}

/** N1, N2. */
function hostBlockers(name: string, leftOut: readonly LeftOutHost[], unreachableAllowed: number): Refusal[] {
  const blockers: Refusal[] = [];
  const silent = leftOut.flatMap((host) =>
    host.why.kind === 'unreachable' ? [`${host.name}: ${host.why.why}`] : [],
  );
  if (silent.length > unreachableAllowed) {
    blockers.push(
      refuse(
        'held',
        'hosts-unreachable',
        `${silent.length} host(s) of ${name} do not answer, ${unreachableAllowed} may`,
        {
          details: silent,
          next: `rollout plan ${name}, once they answer; limits.unreachableHosts allows some to be left out`,
        },
      ),
    );
  }
  const stuck = leftOut.flatMap((host) =>
    host.why.kind === 'no-way-back'
      ? [
          `${host.name}: runs ${host.why.packageVersion} (${host.why.architecture})${host.why.twice === true ? ', of which different packages are staged' : ''}`,
        ]
      : [],
  );
  if (stuck.length > 0) {
    blockers.push(
      refuse(
        'held',
        'no-way-back',
        `${stuck.length} host(s) of ${name} run a version that is not staged: there would be no way back`,
        {
          details: stuck,
          next: `rollout stage VERSION --package ${name}=FILE, for the version they run`,
        },
      ),
    );
  }
  const without = leftOut.flatMap((host) =>
    host.why.kind === 'no-artifact' ? [`${host.name}: ${host.why.architecture}`] : [],
  );
  if (without.length > 0) {
    blockers.push(
      refuse(
        'held',
        'no-artifact',
        `${without.length} host(s) of ${name} have an architecture that the release has no package for`,
        {
          details: without,
          next: `rollout stage VERSION --package ${name}=FILE, with that architecture's package`,
        },
      ),
    );
  }
  return blockers;
}

/** N2: reads back every package that the rollout or its way back needs. */
async function storeBlockers(context: EngineContext, release: Release, plan: Plan): Promise<Refusal[]> {
  const needed = new Map<string, Artifact>();
  for (const artifact of Object.values(release.artifacts)) needed.set(artifact.sha256, artifact);
  for (const wave of plan.waves) {
    for (const { from } of wave.hosts)
      if (from.artifact !== undefined) needed.set(from.artifact.sha256, from.artifact);
  }
  const blockers: Refusal[] = [];
  for (const artifact of needed.values()) {
    const verified = await context.store.verify(artifact);
    if (verified.ok) continue;
    const message = `the staged package of ${artifact.version} (${artifact.architecture}) in ${artifact.environment} cannot be trusted: ${verified.error.message}`;
    blockers.push(refuse('failed', `artifact-${verified.error.kind}`, message));
  }
  return blockers;
}
