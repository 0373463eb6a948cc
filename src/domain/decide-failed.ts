/** What failed and vanished hosts lead to while a rollout goes forward. Pure. */
import { describeTrouble, idsOf, isDue, nameHosts } from './attempts.ts';
import { act, type Decision, type Observations, record } from './decision.ts';
import type { HostProgress, HostState, RolloutState } from './state.ts';

/** Going forward, a host gets into these states only by having failed. */
const HAS_FAILED: ReadonlySet<HostState> = new Set<HostState>([
  'failed',
  'reverting',
  'revert-failed',
  'reverted',
]);

/** A VM that is no longer there is gone, not failed; nothing waits for it. One that is back is as it was left. */
export function settleVanished(rollout: RolloutState, { gone, present }: Observations): Decision | null {
  const returned = [...rollout.hosts.values()].filter(
    (host) => host.state === 'gone' && present.has(host.host.id),
  );
  if (returned.length > 0) {
    const outcome = { kind: 'no-answer', why: 'unknown', message: 'back in the inventory' } as const;
    const hosts = returned.map((host) => ({ id: host.host.id, outcome, tookMs: 0 }));
    return record(
      { kind: 'hosts-answered', action: 'inspect', hosts },
      'hosts-returned',
      `${nameHosts(returned)}: back in the inventory`,
    );
  }
  const vanished: HostProgress[] = [];
  for (const id of gone) {
    const host = rollout.hosts.get(id);
    if (host !== undefined && host.state !== 'gone') vanished.push(host);
  }
  if (vanished.length === 0) return null;
  const hosts = vanished.map((host) => ({ id: host.host.id, outcome: { kind: 'gone' } as const, tookMs: 0 }));
  return record(
    { kind: 'hosts-answered', action: 'inspect', hosts },
    'hosts-gone',
    `${nameHosts(vanished)}: no longer in the inventory`,
  );
}

/** D1: whether so many more failed hosts, beside those that have failed already, start the rollback. */
export function areTooManyFailed(rollout: RolloutState, more: number): boolean {
  if (rollout.kind === 'rollback') return false;
  const failed = [...rollout.hosts.values()].filter((host) => HAS_FAILED.has(host.state));
  return failed.length + more > rollout.policy.limits.failedHosts;
}

/** D1. Beyond the allowed number everything is put back; within it only the failed host is. */
export function decideFailed(rollout: RolloutState, now: number): Decision | null {
  // A rollback to another version has nothing better to go back to: its failed hosts are tried again.
  if (rollout.kind === 'rollback') return null;
  const failed = [...rollout.hosts.values()].filter((host) => HAS_FAILED.has(host.state));
  if (failed.length === 0) return null;
  const allowed = rollout.policy.limits.failedHosts;
  if (failed.length > allowed) {
    const message = `${failed.length} failed where ${allowed} may: ${describeTrouble(failed)}`;
    return record(
      { kind: 'rollback-started', cause: { kind: 'failed-hosts', hosts: idsOf(failed), message } },
      'failed-hosts',
      message,
    );
  }
  const due = failed.filter(
    (host) => host.state === 'failed' || (host.state !== 'reverted' && isDue(host, rollout, now)),
  );
  if (due.length === 0) return null;
  return act('revert', idsOf(due), 'reverting-failed', `putting back ${nameHosts(due)}, which failed`);
}
