/**
 * One step of a rollout: decide on the newest state, do what was decided, write it down.
 * May be killed anywhere and called again anywhere: all that it knows is in the journal and on the hosts.
 */
import { artifactFor } from '../domain/artifact.ts';
import { decide } from '../domain/decide.ts';
import { type Decision, type Observations, record } from '../domain/decision.ts';
import type { Reason } from '../domain/event.ts';
import { judge } from '../domain/judge.ts';
import { ok, type Result } from '../domain/result.ts';
import type { RolloutState } from '../domain/state.ts';
import { type Addresses, actOnHosts } from './act-on-hosts.ts';
import type { EngineContext } from './context.ts';
import type { Ledger, LedgerError } from './ledger.ts';
import { type GateHost, measureGates } from './measure-gates.ts';

export type TickResult =
  /** Something was done: call again at once. */
  | {
      readonly kind: 'again';
      /** Armed hosts were told to wait on: the rollout is kept, not carried on. */
      readonly isUpkeep?: true;
    }
  | { readonly kind: 'wait'; readonly until: number; readonly reason: Reason }
  | { readonly kind: 'hold'; readonly until: number | null; readonly reason: Reason }
  | { readonly kind: 'finish'; readonly reason: Reason }
  /** Told to stop: nothing new was begun. */
  | { readonly kind: 'interrupted' };

/** What is decided on, and where what was decided is done. */
export interface Observed extends Observations {
  readonly addresses: Addresses;
}

export async function tick(
  context: EngineContext,
  ledger: Ledger,
  observed: Observed,
  signal: AbortSignal,
): Promise<Result<TickResult, LedgerError>> {
  const rollout = ledger.state.rollout;
  if (rollout === null)
    return ok({ kind: 'finish', reason: { code: 'nothing', message: 'there is no rollout' } });
  const held = new Set(ledger.state.holds.keys());
  const decision = decide(rollout, { ...observed, held }, context.clock.now());
  if (decision.next === 'wait' || decision.next === 'hold') {
    return ok({ kind: decision.next, until: decision.until, reason: decision.reason } as TickResult);
  }
  if (decision.next === 'finish') return ok({ kind: 'finish', reason: decision.reason });
  if (signal.aborted) return ok({ kind: 'interrupted' });
  const done = await apply(context, ledger, { rollout, decision, addresses: observed.addresses, signal });
  // Overtaken: somebody wrote first and nothing was done; the newest state is loaded, so decide again.
  if (!done.ok && done.error.kind !== 'overtaken') return done;
  const isUpkeep = decision.next === 'act' && decision.action === 'renew';
  return ok({ kind: 'again', ...(isUpkeep ? { isUpkeep } : {}) });
}

type Doing = Extract<Decision, { next: 'record' | 'act' | 'judge' }>;

interface ToApply {
  readonly rollout: RolloutState;
  readonly decision: Doing;
  readonly addresses: Addresses;
  readonly signal: AbortSignal;
}

async function apply(
  context: EngineContext,
  ledger: Ledger,
  { rollout, decision, addresses, signal }: ToApply,
): Promise<Result<unknown, LedgerError>> {
  switch (decision.next) {
    case 'record':
      return ledger.decided(decision.body, decision.reason.message);
    case 'act': {
      if (decision.action === 'upgrade') {
        const altered = await findAltered(context, rollout, decision.hosts);
        if (altered !== null) return ledger.decided(altered.body, altered.reason.message);
      }
      const { action, hosts, reason } = decision;
      const doing = { action, hosts, reason: reason.message, addresses };
      return actOnHosts(context, ledger, rollout, doing, signal);
    }
    case 'judge':
      return applyJudge(context, ledger, { rollout, decision, addresses, signal }, decision);
    default:
      return decision satisfies never;
  }
}

/** Reads the packages back from the store before a batch is begun: an altered one must not reach a host. */
async function findAltered(
  context: EngineContext,
  rollout: RolloutState,
  hosts: readonly string[],
): Promise<Extract<Decision, { next: 'record' }> | null> {
  const architectures = new Set(hosts.map((id) => rollout.hosts.get(id)?.host.architecture));
  for (const architecture of architectures) {
    const artifact = architecture === undefined ? undefined : artifactFor(rollout.artifacts, architecture);
    if (artifact === undefined) continue;
    const verified = await context.store.verify(artifact);
    if (verified.ok || (verified.error.kind === 'unavailable' && verified.error.retryable)) continue;
    const message = `the staged package of ${artifact.version} (${artifact.architecture}) is not what it was: ${verified.error.message}`;
    const halted = record({ kind: 'halted', code: 'artifact-altered', message }, 'artifact-altered', message);
    if (halted.next === 'record') return halted;
  }
  return null;
}

async function applyJudge(
  context: EngineContext,
  ledger: Ledger,
  { rollout, addresses, signal }: ToApply,
  decision: Extract<Decision, { next: 'judge' }>,
): Promise<Result<unknown, LedgerError>> {
  const { gates, sampleEveryMs: stepMs, agent } = rollout.policy;
  const { from, to, since } = decision;
  const { phase, disturbedAt } = rollout;
  const last = 'watch' in phase ? phase.watch.last : null;
  const hosts = decision.hosts.flatMap((id): GateHost[] => {
    const host = rollout.hosts.get(id);
    if (host === undefined) return [];
    const changedAt = Math.max(disturbedAt, host.changedAt);
    return [{ ...host.host, ...addresses.get(id), changedAt }];
  });
  const planned = new Map(rollout.controls?.map((host) => [host.id, host]));
  const controls = (decision.controls ?? []).flatMap((id): GateHost[] => {
    const host = rollout.hosts.get(id)?.host ?? planned.get(id);
    return host === undefined ? [] : [{ ...host, ...addresses.get(id) }];
  });
  const measurements = await measureGates(context, {
    gates,
    hosts,
    controls,
    from,
    to,
    stepMs,
    ...(since === undefined ? {} : { since }),
    ...(rollout.startedAt === 0
      ? {}
      : {
          baseline: {
            of: rollout.id,
            until: rollout.startedAt,
            ...(rollout.unusual === undefined ? {} : { unusual: rollout.unusual }),
          },
        }),
    process: agent.process,
    version: rollout.version,
    last,
    signal,
  });
  // Whoever was called off was not told by anybody that something fails.
  if (signal.aborted) return ok(undefined);
  return ledger.decided({
    kind: 'judged',
    judgement: judge({ measurements, hosts, controls, last, from, to, stepMs }),
  });
}
