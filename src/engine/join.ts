/**
 * Takes VMs that have come into the fleet since the plan along in the rollout under way, or lists why not (newcomers.ts).
 *
 * JN1  A newcomer joins only after a look, with a way back whose package was read back from the store, as any planned host.
 * JN2  What is not known now, such as a store that does not answer, decides nothing: it is asked again at the next listing.
 * JN3  While changes are frozen no wave is added: it could not begin, and the bake of all the others would wait for it.
 */
import type { ClassifiedHost } from '../domain/host.ts';
import { bornLate, joinableWave, newcomersIn, newlyLeftOut, unprovenBuild } from '../domain/newcomers.ts';
import type { LeftOutHost, NotPlanned, PlannedHost } from '../domain/plan.ts';
import { planRollout } from '../domain/planning.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { RolloutState } from '../domain/state.ts';
import type { EngineContext } from './context.ts';
import type { Ledger, LedgerError } from './ledger.ts';
import { type Fleet, type LookedAt, lookAtHosts, surveyOf } from './survey.ts';

interface Listing {
  readonly fleet: Fleet;
  /** Changes are frozen now. */
  readonly isFrozen: boolean;
  readonly signal: AbortSignal;
}

/** Answers with what looking at newcomers brought; empty when there were none to look at. */
export async function joinNewcomers(
  context: EngineContext,
  ledger: Ledger,
  { fleet, isFrozen, signal }: Listing,
): Promise<Result<readonly LookedAt[], LedgerError>> {
  const rollout = ledger.state.rollout;
  if (rollout === null) return ok([]);
  const newcomers = newcomersIn(rollout, fleet.hosts);
  if (newcomers.length === 0) return ok([]);
  const wave = joinableWave(rollout);
  if (isFrozen && wave === rollout.waveCount && rollout.kind !== 'rollback') return ok([]);
  const { phase } = rollout;
  const isReturning = phase.kind === 'rolling-back' || phase.kind === 'rollback-incomplete';
  const looked = isReturning ? [] : await lookAtHosts(context, newcomers, signal);
  if (signal.aborted) return ok([]);
  if (wave === null) {
    const written = await writeLate(ledger, newcomers, looked);
    return written.ok ? ok(looked) : written;
  }
  const fates = await fatesOf(context, rollout, newcomers, looked);
  if (fates === null) return ok(looked);
  const written = await write(ledger, fates, { newcomers, looked });
  return written.ok ? ok(looked) : written;
}

interface Fates {
  readonly joining: readonly PlannedHost[];
  readonly leftOut: readonly LeftOutHost[];
}

/** JN1. Null: it cannot be told now (JN2). */
async function fatesOf(
  context: EngineContext,
  rollout: RolloutState,
  newcomers: readonly ClassifiedHost[],
  looked: readonly LookedAt[],
): Promise<Fates | null> {
  const staged = await context.store.list();
  if (!staged.ok) {
    tellWaiting(context, `the artifact store does not answer: ${staged.error.message}`);
    return null;
  }
  const target = { version: rollout.version, artifacts: rollout.artifacts };
  const plan = planRollout({
    hosts: newcomers,
    survey: surveyOf(looked, target),
    target,
    staged: staged.value,
    policy: rollout.policy.waves,
    singleWave: true,
  });
  const joining: PlannedHost[] = [];
  const leftOut: LeftOutHost[] = [...plan.leftOut];
  const able: PlannedHost[] = [];
  for (const host of plan.waves[0]?.hosts ?? []) {
    const why = unprovenBuild(rollout, host.architecture);
    if (why === null) able.push(host);
    else leftOut.push(listed(host, why));
  }
  const backs = await readBack(context, rollout, able);
  for (const host of able) {
    const back = backs.get(host.from.artifact?.sha256 ?? '');
    if (back === 'sound') joining.push(host);
    else if (back === 'spoilt')
      leftOut.push(
        listed(host, {
          kind: 'no-way-back',
          packageVersion: host.from.packageVersion,
          architecture: host.architecture,
        }),
      );
  }
  return { joining, leftOut };
}

/** By digest; who is `unknown` is asked for again. Those that planned hosts go back to were read when they were planned. */
async function readBack(
  context: EngineContext,
  rollout: RolloutState,
  hosts: readonly PlannedHost[],
): Promise<Map<string, 'sound' | 'spoilt' | 'unknown'>> {
  const backs = new Map<string, 'sound' | 'spoilt' | 'unknown'>();
  for (const { host } of rollout.hosts.values()) {
    if (host.from.artifact !== undefined) backs.set(host.from.artifact.sha256, 'sound');
  }
  for (const { from } of hosts) {
    const { artifact } = from;
    if (artifact === undefined || backs.has(artifact.sha256)) continue;
    const verified = await context.store.verify(artifact);
    if (verified.ok) backs.set(artifact.sha256, 'sound');
    else {
      backs.set(artifact.sha256, verified.error.kind === 'unavailable' ? 'unknown' : 'spoilt');
      if (verified.error.kind === 'unavailable') tellWaiting(context, verified.error.message);
    }
  }
  return backs;
}

function listed({ id, name, zone, role }: PlannedHost, why: NotPlanned): LeftOutHost {
  return { id, name, zone, role, why };
}

/** How often it is decided anew because somebody else wrote; after that the next listing finds them again. */
const MOST_CONFLICTS = 20;

/** Another who wrote meanwhile, such as an operator's pause, may have closed the wave: that is looked at anew. */
async function write(
  ledger: Ledger,
  { joining, leftOut }: Fates,
  { newcomers, looked }: { newcomers: readonly ClassifiedHost[]; looked: readonly LookedAt[] },
): Promise<Result<void, LedgerError>> {
  for (let attempt = 0; attempt < MOST_CONFLICTS; attempt += 1) {
    const rollout = ledger.state.rollout;
    const wave = rollout === null ? null : joinableWave(rollout);
    if (rollout === null || wave === null) return writeLate(ledger, newcomers, looked);
    const unlisted = newlyLeftOut(rollout, leftOut);
    if (joining.length === 0 && unlisted.length === 0) return ok(undefined);
    const written = await ledger.decided(
      { kind: 'hosts-joined', wave, hosts: joining, leftOut: unlisted },
      'in the inventory since the plan was made',
    );
    if (written.ok) return ok(undefined);
    if (written.error.kind !== 'overtaken') return err(written.error);
  }
  return ok(undefined);
}

async function writeLate(
  ledger: Ledger,
  newcomers: readonly ClassifiedHost[],
  looked: readonly LookedAt[],
): Promise<Result<void, LedgerError>> {
  for (let attempt = 0; attempt < MOST_CONFLICTS; attempt += 1) {
    const rollout = ledger.state.rollout;
    if (rollout === null) return ok(undefined);
    const survey = surveyOf(looked, rollout);
    const late = newlyLeftOut(
      rollout,
      newcomersIn(rollout, newcomers).map((one) => bornLate(one, survey.get(one.host.id))),
    );
    if (late.length === 0) return ok(undefined);
    const written = await ledger.decided(
      { kind: 'hosts-joined', wave: rollout.waveCount, hosts: [], leftOut: late },
      'in the inventory since no wave could take them any more',
    );
    if (written.ok) return ok(undefined);
    if (written.error.kind !== 'overtaken') return err(written.error);
  }
  return ok(undefined);
}

function tellWaiting(context: EngineContext, why: string): void {
  context.tell({
    kind: 'notice',
    environment: context.environment.name,
    at: context.clock.now(),
    reason: {
      code: 'newcomers-wait',
      message: `VMs that have come since the plan cannot be taken along yet: ${why}`,
    },
  });
}
