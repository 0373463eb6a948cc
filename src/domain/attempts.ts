/** Pacing and deadlines of attempts at hosts, and how hosts are named in a sentence. Pure. */
import type { HostProgress, RolloutState } from './state.ts';

/**
 * Attempts at one host keep their distance. Due at once is a host without trouble, any host where the clock went back, and
 * one that nobody has tried under the present lease: a person who mended it and types `advance` is not to be told of before.
 */
export function isDue(host: HostProgress, rollout: RolloutState, now: number): boolean {
  if (host.troubleSince === null || host.dueAtOnce) return true;
  return now >= nextAttemptAt(host, rollout) || now < host.lastAttemptAt;
}

export function nextAttemptAt(host: HostProgress, rollout: RolloutState): number {
  return host.lastAttemptAt + rollout.policy.limits.retryEveryMs;
}

/** When the first of these hosts may be tried again; null when there is none. */
export function earliestAttempt(hosts: readonly HostProgress[], rollout: RolloutState): number | null {
  let earliest: number | null = null;
  for (const host of hosts) {
    const at = nextAttemptAt(host, rollout);
    if (earliest === null || at < earliest) earliest = at;
  }
  return earliest;
}

/** In trouble for longer than a host may be, as attempts have seen it: a night in which nobody tried counts nothing. */
export function isOverdue(host: HostProgress, rollout: RolloutState): boolean {
  return (
    host.troubleSince !== null &&
    host.lastAttemptAt - host.troubleSince >= rollout.policy.limits.hostDeadlineMs
  );
}

/** At most five names, then how many more. */
export function nameHosts(hosts: readonly HostProgress[]): string {
  const names = hosts.slice(0, 5).map((host) => host.host.name);
  const more = hosts.length - names.length;
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}

/** What each last answered, hosts with the same trouble together; at most three troubles. */
export function describeTrouble(hosts: readonly HostProgress[]): string {
  const groups = new Map<string, HostProgress[]>();
  for (const host of hosts) {
    const trouble = troubleOf(host);
    const alike = groups.get(trouble);
    if (alike === undefined) groups.set(trouble, [host]);
    else alike.push(host);
  }
  const parts = [...groups].slice(0, 3).map(([trouble, members]) => `${nameHosts(members)} (${trouble})`);
  const more = groups.size - parts.length;
  return more > 0 ? `${parts.join('; ')}; and ${more} other troubles` : parts.join('; ');
}

function troubleOf(host: HostProgress): string {
  const outcome = host.outcome;
  if (outcome === null) return 'its outcome was never learned';
  switch (outcome.kind) {
    case 'no-answer':
    case 'blocked':
      return `${outcome.why}: ${outcome.message}`;
    case 'failed':
      return `${outcome.failure} at ${outcome.step}: ${outcome.message}`;
    case 'verified':
    case 'reverted':
    case 'gone':
    case 'still-previous':
    case 'confirmed':
    case 'renewed':
      return outcome.kind;
    case 'went-back':
      return `went back by itself: ${outcome.note}`;
    default:
      return outcome satisfies never;
  }
}

/** Somebody has changed the package: what is seen there is not the version's doing. Only a new proof ends it. */
export function isDrifted({ troubleSince, outcome }: HostProgress): boolean {
  return troubleSince !== null && outcome?.kind === 'blocked' && outcome.why === 'drifted';
}

export function idsOf(hosts: readonly HostProgress[]): string[] {
  return hosts.map((host) => host.host.id);
}
