/**
 * One lifecycle action in one environment, all its hosts at once.
 *
 * RL1  In an emergency the hosts wait for nothing but a short moment in which the intention is written down on this machine.
 * RL2  Calm, nothing is done without the lease and an intention in the shared journal (calm-action.ts).
 * RL3  Every host that was meant is in the report, and who is not known to be as it was meant is not covered.
 */
import type { Artifact } from '../domain/artifact.ts';
import { isFinished } from '../domain/fold.ts';
import type { Host, HostId } from '../domain/host.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { RolloutState } from '../domain/state.ts';
import { actOnFleet, byHostName, type Done, notCoveredOf } from './act-on-fleet.ts';
import { ActionEntries } from './action-entries.ts';
import { type Prepare, underLease } from './calm-action.ts';
import type { LifecycleContext, Refusal } from './context.ts';
import { EmergencyRecord } from './emergency-record.ts';
import { lifecycleOrder } from './lifecycle-orders.ts';
import { isUncovered, type NotInstalled, prepareInstall } from './lifecycle-packages.ts';
import type { HostReport, LifecycleReport, LifecycleRequest } from './lifecycle-types.ts';
import { changeRoleFiles } from './role-files-step.ts';

/** Refuses only before anything was done; an emergency never refuses. */
export async function runLifecycle(
  context: LifecycleContext,
  request: LifecycleRequest,
  signal: AbortSignal,
): Promise<Result<LifecycleReport, Refusal>> {
  return request.polarity === 'emergency'
    ? ok(await runEmergency(context, request, signal))
    : runCalm(context, request, signal);
}

async function runEmergency(
  context: LifecycleContext,
  request: LifecycleRequest,
  signal: AbortSignal,
): Promise<LifecycleReport> {
  const startedAt = context.clock.now();
  const entries = new ActionEntries(context.clock, request);
  const record = new EmergencyRecord(context, request);
  await record.begin(entries.intended());
  const doing = {
    context,
    request,
    entries,
    write: (body: Parameters<EmergencyRecord['add']>[0]) => record.add(body),
    orderFor: (host: Host) => lifecycleOrder(context, request, 0, null, host),
  };
  // Beside the hosts, which wait for no checkout; what reads these files comes within minutes, not seconds.
  const changing = signal.aborted
    ? Promise.resolve([])
    : changeRoleFiles(context, request, null, {
        part: () => entries.part(),
        record: (body) => record.add(body),
      });
  const done = await actOnFleet(doing, request.hosts, signal);
  const roleFiles = await changing;
  const notCovered = notCoveredOf(byHostName(done.hosts));
  record.add(entries.ended(done.hosts.length - notCovered.length, notCovered));
  const recorded = await record.end();
  return {
    ...reportOf(context, request, done, notCovered),
    ...recorded,
    roleFiles,
    tookMs: context.clock.now() - startedAt,
  };
}

/** What an install needs; nothing of other verbs. */
interface Prepared {
  readonly artifacts: ReadonlyMap<HostId, Artifact>;
  readonly leftOut: readonly NotInstalled[];
}

async function runCalm(
  context: LifecycleContext,
  asked: LifecycleRequest,
  signal: AbortSignal,
): Promise<Result<LifecycleReport, Refusal>> {
  const startedAt = context.clock.now();
  const ended = await underLease(
    context,
    asked,
    prepareCalm(context, asked, signal),
    async ({ entries, state, fence, signal: stop, write }, request, { artifacts, leftOut }) => {
      const tools = { part: () => entries.part(), record: write };
      const roleFiles = await changeRoleFiles(context, request, state, tools);
      const orderFor = (host: Host) =>
        lifecycleOrder(context, request, fence, artifacts.get(host.id) ?? null, host);
      const done = await actOnFleet({ context, request, entries, write, orderFor }, request.hosts, stop);
      const all = { ...done, hosts: [...done.hosts, ...leftOut.map(reportOfLeftOut)] };
      const missed = leftOut.filter(isUncovered).map(({ host, why }) => ({ host, why }));
      const notCovered = [...notCoveredOf(byHostName(done.hosts)), ...missed];
      write(entries.ended(all.hosts.length - notCovered.length, notCovered));
      const report = { ...reportOf(context, request, all, notCovered), roleFiles };
      return { ...report, rollout: pausedRollout(state.rollout) };
    },
    signal,
  );
  if (!ended.ok) return err(ended.error);
  const { value, record, lost } = ended.value;
  return ok({ ...value, record, why: lost || value.why, tookMs: context.clock.now() - startedAt });
}

/** Whoever starts what an emergency has stopped is told that the rollout which it paused waits for somebody. */
function pausedRollout(rollout: RolloutState | null): LifecycleReport['rollout'] {
  if (rollout === null || isFinished(rollout) || rollout.stop === null) return null;
  return { id: rollout.id, version: rollout.version, did: 'was-stopped' };
}

/** Whom an install is about is known only under the lease, by looking at them. */
export function prepareCalm(
  context: LifecycleContext,
  request: LifecycleRequest,
  signal: AbortSignal,
): Prepare<Prepared> {
  return async (state) => {
    if (request.verb !== 'install') return ok({ request, prepared: { artifacts: new Map(), leftOut: [] } });
    const plan = await prepareInstall(context, { chosen: request.hosts, state }, signal);
    if (!plan.ok) return plan;
    const { hosts, artifacts, leftOut } = plan.value;
    return ok({ request: { ...request, hosts }, prepared: { artifacts, leftOut } });
  };
}

/** No attempt was made: it has the agent, or cannot be helped now. */
export function reportOfLeftOut({ host, kind, why }: NotInstalled): HostReport {
  const outcome: HostReport['outcome'] =
    kind === 'no-answer'
      ? { kind, why: 'unknown', message: why }
      : { kind: 'blocked', why: kind === 'unsupported' ? kind : 'drifted', message: why };
  return { host, outcome, attempts: 0, tookMs: 0 };
}

function reportOf(
  { environment }: LifecycleContext,
  { actionId, verb }: LifecycleRequest,
  { hosts, settled, cutShort }: Done,
  notCovered: LifecycleReport['notCovered'],
): LifecycleReport {
  return {
    environment: environment.name,
    actionId,
    verb,
    hosts: byHostName(hosts),
    end: cutShort ? 'interrupted' : notCovered.length > 0 ? 'incomplete' : 'done',
    why: '',
    notCovered,
    settled,
    rollout: null,
    record: { kind: 'journal' },
    roleFiles: [],
    tookMs: 0,
  };
}
