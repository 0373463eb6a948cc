/**
 * What comes next while a wave is being changed. Pure.
 *
 * A1  A host whose outcome is not known is looked at before it is touched again.
 * A2  New hosts are taken only within the bounds on unavailability (capacity.ts).
 * A3  Beyond its deadline a host is left out if the policy allows that many, else it holds the rollout. One that failed and
 *     cannot be put back is never left out: a person must look at it.
 */
import { mayHaveGoneBack } from './armed.ts';
import { describeTrouble, earliestAttempt, idsOf, isDue, isOverdue, nameHosts } from './attempts.ts';
import { batchWithin, isOutOfService } from './capacity.ts';
import { act, type Decision, hold, record, wait } from './decision.ts';
import type { HostProgress, HostState, RolloutState } from './state.ts';

/** Hosts of one batch, so that one journal entry stays readable and a kill leaves few outcomes unknown. */
const BATCH = 200;

const SETTLED: ReadonlySet<HostState> = new Set<HostState>(['verified', 'gone', 'skipped', 'reverted']);

const CHANGEABLE: ReadonlySet<HostState> = new Set<HostState>([
  'pending',
  'unreachable',
  'blocked',
  'failed',
]);

export function decideActing(rollout: RolloutState, wave: number, now: number): Decision {
  // Of the waves before, only hosts that were gone and are back, or that may have put themselves back.
  const open = [...rollout.hosts.values()].filter(
    (host) => host.wave <= wave && (!SETTLED.has(host.state) || mayHaveGoneBack(host, rollout, now)),
  );
  const altered = open.find(
    (host) =>
      host.state === 'blocked' && host.outcome?.kind === 'blocked' && host.outcome.why === 'digest-mismatch',
  );
  if (altered !== undefined) {
    const message = `the package that reached ${altered.host.name} is not the one that was staged; nothing was installed there`;
    return record({ kind: 'halted', code: 'artifact-altered', message }, 'artifact-altered', message);
  }
  const unknown = open.filter((host) => host.state === 'installing' && dueForLook(host, rollout, now));
  if (unknown.length > 0) {
    return act(
      'inspect',
      idsOf(unknown.slice(0, BATCH)),
      'inspecting',
      `looking again at ${nameHosts(unknown)}`,
    );
  }
  if (open.length === 0) {
    return record({ kind: 'wave-acted', wave }, 'wave-acted', `wave ${wave + 1} is changed and proven`);
  }
  const overdue = open.filter((host) => isOverdue(host, rollout));
  const left = leaveOut(
    rollout,
    overdue.filter((host) => host.state !== 'reverting' && host.state !== 'revert-failed'),
  );
  if (left !== null) return left;
  // A3: with a host out of reach for too long, those in trouble are tried again and no fresh one is taken.
  const candidates = open.filter(
    (host) =>
      CHANGEABLE.has(host.state) &&
      isDue(host, rollout, now) &&
      (overdue.length === 0 || host.troubleSince !== null),
  );
  const batch = batchWithin(rollout, candidates, BATCH);
  if (batch.length > 0) {
    return act('upgrade', idsOf(batch), 'upgrading', `changing ${batch.length} host(s) of wave ${wave + 1}`);
  }
  const waiting = open.filter((host) => !isDue(host, rollout, now));
  const next = earliestAttempt(waiting, rollout);
  if (overdue.length > 0) {
    return hold(
      next,
      'hosts-out-of-reach',
      `waiting for ${describeTrouble(overdue)}; no other host is changed meanwhile`,
    );
  }
  if (next !== null) return wait(next, 'retrying', `trying again: ${describeTrouble(waiting)}`);
  const out = [...rollout.hosts.values()].filter(isOutOfService);
  return hold(
    null,
    'no-room',
    `no further host may be taken out of service: ${out.length} already are or may be: ${describeTrouble(out)}`,
  );
}

/** Right after a crash nothing is known of the host: looking is free, so the first look is at once. */
function dueForLook(host: HostProgress, rollout: RolloutState, now: number): boolean {
  return host.troubleSince === null || isDue(host, rollout, now);
}

/** A3. Null when nobody is to be, or may be, left out. */
export function leaveOut(rollout: RolloutState, overdue: readonly HostProgress[]): Decision | null {
  if (overdue.length === 0) return null;
  const already = [...rollout.hosts.values()].filter((host) => host.state === 'skipped').length;
  if (already + overdue.length > rollout.policy.limits.unreachableHosts) return null;
  return record(
    { kind: 'hosts-excused', hosts: idsOf(overdue) },
    'hosts-excused',
    `left out after their deadline: ${describeTrouble(overdue)}`,
  );
}
