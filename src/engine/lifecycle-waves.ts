/**
 * One calm lifecycle action in one environment, in waves with gates between them, under the lease.
 *
 * WA1  Whatever its verb, it is calm: it needs the lease, the journal and, where there are gates, the metrics. An emergency never
 *      comes this way.
 * WA2  Hosts are intended in the shared journal just before they are acted on; those that no wave has come to are wished nothing.
 * WA3  A fail verdict, more than `failedHosts` hosts that failed or were not reached, no room left, or a journal that takes no
 *      intention: no further wave begins, and everybody it has not come to is named.
 * WA4  A wave without gates is not watched, and that is said: time alone proves nothing.
 * WA5  Nothing is taken back. What was done to the hosts of earlier waves is as it was meant to be; whether to undo it a person decides.
 * WA6  A run is a new action. Killed between waves and typed again, it begins with the first wave: what is so already is proven at
 *      once and not touched, a restart is done again, since nobody can tell what else has changed since. That one was cut off is said.
 *
 * Role files are put back before the first wave of a start, where holds keep the others down; a stop sets them behind its last wave, and
 * only if that is reached: until then the hold on each host keeps it down.
 */
import type { Host, HostId } from '../domain/host.ts';
import type { LifecyclePlaybook } from '../domain/lifecycle-playbook.ts';
import { planWaves } from '../domain/lifecycle-waves.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { type Prepare, underLease } from './calm-action.ts';
import type { LifecycleContext, Refusal } from './context.ts';
import type { LifecycleReport, LifecycleRequest } from './lifecycle-types.ts';
import { prepareCalm } from './run-lifecycle.ts';
import { batchOf, type PreparedWaves, WaveRun } from './wave-run.ts';

/** How long a batch may go on with second and third attempts where the request names no deadline, ms. */
const BATCH_MS = 3_600_000;

/**
 * Refuses only before any host was touched. `deadlineMs` of the request counts from the beginning of each batch, and null is not
 * endless here: three attempts a host. Without a strategy in the playbook all hosts are one wave, at once and unwatched.
 */
export async function runLifecycleInWaves(
  context: LifecycleContext,
  asked: LifecycleRequest,
  playbook: LifecyclePlaybook,
  signal: AbortSignal,
): Promise<Result<LifecycleReport, Refusal>> {
  const startedAt = context.clock.now();
  const request: LifecycleRequest = {
    ...asked,
    polarity: 'calm',
    timeoutMs: playbook.timeoutMs,
    deadlineMs: asked.deadlineMs ?? BATCH_MS,
  };
  const ended = await underLease(
    context,
    request,
    prepareWaves(context, request, playbook, signal),
    async (action, _, prepared) => new WaveRun(context, request, playbook, { action, ...prepared }).run(),
    signal,
  );
  if (!ended.ok) return err(ended.error);
  const { value, record, lost } = ended.value;
  return ok({ ...value, record, why: lost || value.why, tookMs: context.clock.now() - startedAt });
}

/** The waves as they would be: for a dry run. An install's hosts are those that lack the package (prepareInstall). */
export function planLifecycleWaves(hosts: readonly Host[], playbook: LifecyclePlaybook): Host[][] {
  return planWaves(hosts, playbook.strategy?.waves ?? null);
}

/** WA2: the intention that is written first is that of the first batch. */
function prepareWaves(
  context: LifecycleContext,
  request: LifecycleRequest,
  playbook: LifecyclePlaybook,
  signal: AbortSignal,
): Prepare<PreparedWaves> {
  return async (state) => {
    const ready = await prepareCalm(context, request, signal)(state);
    if (!ready.ok) return ready;
    const { hosts: fleet } = ready.value.request;
    const waves = planLifecycleWaves(fleet, playbook);
    const untouched = { fleet, outOfService: new Set<HostId>(), gone: new Set<HostId>() };
    const first = batchOf(playbook, { ...untouched, candidates: waves[0] ?? [] });
    const meant = { ...ready.value.request, hosts: first };
    return ok({ request: meant, prepared: { ...ready.value.prepared, fleet, waves } });
  };
}
