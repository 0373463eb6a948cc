/**
 * Starts a rollout: decides which version may go, prepares the plan, and writes it under the lease.
 *
 * T1  An environment behind another takes a version only with that one's receipt, unless a person overrides with a reason.
 * T2  One rollout an environment at a time; the same request again carries the present one on.
 * T3  A plan is made and confirmed without the lease, which may take hours: what it rests on is read again under the lease.
 */
import { canRollBack, isFinished } from '../domain/fold.ts';
import { isMaybeBack, maybeBack } from '../domain/host-standing.ts';
import type { Receipt, RolloutKind } from '../domain/journal.ts';
import type { RolloutPolicy } from '../domain/policy.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { EnvironmentState, Quarantined, RolloutState } from '../domain/state.ts';
import type { EngineContext, Refusal } from './context.ts';
import { refuse } from './context.ts';
import { journalTrouble, type Ledger, type LedgerError } from './ledger.ts';
import { type PreparedPlan, quarantineBlockers } from './prepare-plan.ts';
import { recordFleet } from './record-fleet.ts';
import { openLedger } from './run-rollout.ts';

export interface StartRequest {
  readonly kind: RolloutKind;
  readonly version: string;
  readonly reason: string;
  /** What the promotion rests on. */
  readonly receipt?: Receipt;
  /** A person's reason for going without. */
  readonly override?: string;
  readonly keep?: boolean;
  /** The change request that it belongs to. */
  readonly change?: string;
  /** The environment's newest rollout when this one was planned, for T3; null: none. Default: not looked at. */
  readonly after?: string | null;
  /** Every environment of the promotion line, for T3. Default: this one alone. */
  readonly line?: readonly EngineContext[];
}

export async function readState(context: EngineContext): Promise<Result<EnvironmentState, Refusal>> {
  const read = await openLedger(context).refresh();
  if (read.ok) return read;
  return err(refuse('failed', `journal-${read.error.kind}`, journalTrouble(read.error)));
}

/** Digests quarantined in any environment of the line; fails closed when one of their journals cannot be read. */
export async function readQuarantine(
  line: readonly EngineContext[],
): Promise<Result<Quarantined[], Refusal>> {
  const held: Quarantined[] = [];
  for (const context of line) {
    const state = await readState(context);
    if (!state.ok) return state;
    held.push(...state.value.quarantine);
  }
  return ok(held);
}

/** T1: what the environment before has proven and is meant to run now; not a version that it has gone back from since. */
export async function provenBefore(
  context: EngineContext,
  before: EngineContext,
): Promise<Result<Receipt, Refusal>> {
  const state = await readState(before);
  if (!state.ok) return state;
  const { rollout, receipts, pin } = state.value;
  const name = before.environment.name;
  if (rollout !== null && !isFinished(rollout) && rollout.kind !== 'canary') {
    return err(
      refuse(
        'held',
        'predecessor-busy',
        `${name} is still at ${rollout.version} (${rollout.phase.kind}): ${context.environment.name} waits for its bake`,
        {
          next: `rollout status ${name}`,
        },
      ),
    );
  }
  const receipt = receipts.findLast((one) => one.version === pin?.version);
  if (receipt === undefined) {
    return err(
      refuse(
        'held',
        'no-receipt',
        pin === null
          ? `${name} has not proven any version yet: nothing to promote to ${context.environment.name}`
          : `${name} is meant to run ${pin.version}, which has no proven bake there: nothing to promote to ${context.environment.name}`,
        {
          next: `rollout deploy ${name} VERSION`,
        },
      ),
    );
  }
  return ok(receipt);
}

/** T2: null when the way is free; `carry-on` when the present rollout is the one asked for. */
export function inTheWay(
  state: EnvironmentState,
  request: Pick<StartRequest, 'kind' | 'version'>,
  { environment: { name }, clock }: Pick<EngineContext, 'environment' | 'clock'>,
): Refusal | 'carry-on' | null {
  const { rollout } = state;
  if (rollout === null) return null;
  const now = clock.now();
  if (isFinished(rollout)) return abortedRemains(rollout, request, name, now);
  if (rollout.kind === request.kind && rollout.version === request.version) return 'carry-on';
  return refuse(
    'held',
    'rollout-under-way',
    `${name} has ${rollout.id} under way: ${rollout.kind} of ${rollout.version}, ${rollout.phase.kind}${rollout.stop === null ? '' : ` (${rollout.stop.kind})`}${backWords(maybeBack(rollout, now).length)}`,
    {
      next: `rollout status ${name}; rollout advance ${name} to carry it on, rollout rollback ${name} to take it back`,
    },
  );
}

/** Hosts that an aborted rollout left on its version must go back first: a later rollback would not know of them. */
function abortedRemains(
  rollout: RolloutState,
  request: Pick<StartRequest, 'kind'>,
  name: string,
  now: number,
): Refusal | null {
  if (rollout.phase.kind !== 'aborted' || request.kind === 'rollback') return null;
  const left = [...rollout.hosts.values()].filter((host) => host.touched);
  if (left.length === 0) return null;
  return refuse(
    'held',
    'aborted-remains',
    `the aborted ${rollout.id} left ${left.length} host(s) on ${rollout.version} or in between${backWords(left.filter((host) => isMaybeBack(host, rollout, now)).length)}`,
    {
      details: left.map(
        (host) =>
          `${host.host.name}: ${isMaybeBack(host, rollout, now) ? 'may have gone back by itself' : host.state}`,
      ),
      next: `rollout rollback ${name}`,
    },
  );
}

function backWords(hosts: number): string {
  return hosts === 0
    ? ''
    : `; ${hosts} of its hosts may have gone back by ${hosts === 1 ? 'itself' : 'themselves'} since`;
}

/** For RunOptions.begin: writes the plan, unless the state has moved on since it was made. */
export function beginRollout(
  context: EngineContext,
  request: StartRequest,
  prepared: PreparedPlan,
  refused: (refusal: Refusal) => void,
): (ledger: Ledger) => Promise<Result<'go' | 'nothing', LedgerError>> {
  return async (ledger) => {
    const obstacle = inTheWay(ledger.state, request, context);
    if (obstacle === 'carry-on') return ok('go');
    if (obstacle !== null) {
      refused(obstacle);
      return ok('nothing');
    }
    const moved =
      (await whatMoved(context, request, prepared)) ??
      whoWasFaster(ledger.state, request, context.environment.name);
    if (moved !== null) {
      refused(moved);
      return ok('nothing');
    }
    const written = await ledger.decided(
      {
        kind: 'rollout-planned',
        rolloutId: `${context.environment.name}-${(ledger.state.head?.seq ?? 0) + 1}`,
        rolloutKind: request.kind,
        version: request.version,
        artifacts: prepared.release.artifacts,
        plan: prepared.plan,
        policy: policyFor(context.environment.policy, request.kind),
        ...(request.receipt === undefined ? {} : { receipt: request.receipt }),
        ...(request.override === undefined ? {} : { override: request.override }),
        ...(request.keep === undefined ? {} : { keep: request.keep }),
        ...(request.change === undefined ? {} : { change: request.change }),
      },
      request.reason,
    );
    if (!written.ok) return written;
    await recordFleet(context, ledger, prepared.fleet, prepared.looked, { evenUnchanged: true });
    return ok('go');
  };
}

/** T3: what the hosts ran when they were looked at is not what they run behind another rollout, nor is that the way back. */
function whoWasFaster(
  { rollout }: EnvironmentState,
  { after, kind, version }: StartRequest,
  name: string,
): Refusal | null {
  if (rollout === null || after === undefined || after === rollout.id) return null;
  return refuse(
    'held',
    'plan-outdated',
    `${rollout.id} (${rollout.kind} of ${rollout.version}, ${rollout.phase.kind}) has run in ${name} since this ${kind} of ${version} was planned`,
    { next: `rollout status ${name}; type the command again for a plan of what runs now` },
  );
}

/** T3: what has become untrue since the plan was made; null: nothing. */
async function whatMoved(
  context: EngineContext,
  { kind, version, receipt, line = [context] }: StartRequest,
  { release }: PreparedPlan,
): Promise<Refusal | null> {
  const quarantine = await readQuarantine(line);
  if (!quarantine.ok) return quarantine.error;
  const [held] = quarantineBlockers(release, quarantine.value, kind === 'rollback' ? 'digest' : 'version');
  if (held !== undefined) return held;
  const before = line.find((one) => one.environment.name === context.environment.promotesFrom);
  if (receipt === undefined || before === undefined) return null;
  const again = await provenBefore(context, before);
  if (!again.ok) return again.error;
  if (again.value.version === version) return null;
  return refuse(
    'held',
    'no-receipt',
    `${before.environment.name} has gone on to ${again.value.version} since this promotion of ${version} was planned`,
    { next: `rollout promote ${context.environment.name}` },
  );
}

/** Going back to a version that has served already needs proof on the hosts, not days of watching. */
function policyFor(policy: RolloutPolicy, kind: RolloutKind): RolloutPolicy {
  return kind === 'rollback' ? { ...policy, soakMs: 0, bakeMs: 0, approval: 'none' } : policy;
}

/** Whether `rollback` without a version can be asked for, and of which rollout. */
export function rollbackTarget(state: EnvironmentState, name: string): Result<RolloutState, Refusal> {
  const { rollout } = state;
  if (rollout === null) {
    return err(
      refuse('failed', 'nothing-to-roll-back', `${name} has had no rollout: there is nothing to roll back`),
    );
  }
  if (rollout.phase.kind === 'rolling-back') return ok(rollout);
  if (!canRollBack(rollout)) {
    return err(
      refuse('failed', 'already-rolled-back', `${rollout.id} (${rollout.version}) is rolled back already`, {
        next: `rollout status ${name}`,
      }),
    );
  }
  if (rollout.kind === 'rollback') {
    return err(
      refuse('failed', 'rollback-of-rollback', `${rollout.id} was itself a rollback to ${rollout.version}`, {
        next: `rollout rollback ${name} --to VERSION`,
      }),
    );
  }
  return ok(rollout);
}
