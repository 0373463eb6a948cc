/**
 * What may be claimed of a rollout's hosts: one that was proven and may have gone back by itself since is not verified any more, and one
 * whose agent does not run is installed and no more. Pure.
 */
import { armedRevertOf, mayHaveGoneBack } from './armed.ts';
import type { HostId } from './host.ts';
import type { HostProgress, RolloutState } from './state.ts';

/** What a claim depends on besides the rollout. */
export interface Standpoint {
  /** Ms since the epoch. */
  readonly now: number;
  /** Hosts whose agent somebody wishes to stay stopped. Absent: nobody knows of any but what the hosts said themselves. */
  readonly held?: ReadonlySet<HostId> | undefined;
}

/** By now so near its own way back that nobody can say what runs there, or past it with a change whose end was never heard. */
export function maybeBack(rollout: RolloutState, now: number): HostProgress[] {
  return [...rollout.hosts.values()].filter((host) => isMaybeBack(host, rollout, now));
}

export function isMaybeBack(host: HostProgress, rollout: RolloutState, now: number): boolean {
  if (host.state !== 'installing') return mayHaveGoneBack(host, rollout, now);
  const armed = armedRevertOf(rollout);
  return armed !== null && now >= host.lastAttemptAt + armed.afterMs;
}

/** Proven to have the version, and not running it. */
export function notRunning(rollout: RolloutState, now: number): HostProgress[] {
  return [...rollout.hosts.values()].filter(
    (host) => host.state === 'verified' && host.leftStopped && !mayHaveGoneBack(host, rollout, now),
  );
}

/** Names that a command to be typed spells out. */
const MOST_TYPED = 12;

/** The command that starts these agents, so that gates can see them. */
export function startCommand(environment: string, names: readonly string[]): string {
  const hosts = names.length > MOST_TYPED ? 'NAME...' : names.join(' ');
  return `rollout osqueryd start --env ${environment} --host ${hosts}`;
}

/** What moves a watch that has nothing to see: where agents are only stopped, their start, before anybody approves of what nobody saw. */
export function nextWithoutWitness(rollout: RolloutState, environment: string, now: number): string {
  const approve = `rollout approve ${environment} --reason TEXT`;
  const advance = `rollout advance ${environment}`;
  const stopped = notRunning(rollout, now).map(({ host }) => host.name);
  if (stopped.length === 0) return `${approve}, then ${advance}`;
  return `${startCommand(environment, stopped)}, then ${advance}; or, unseen, ${approve}`;
}

/** Such as `10 verified`, `2 installed, not running (held)`; on the way back a pending host is one that was never touched. */
export function standingWords(rollout: RolloutState, { now, held }: Standpoint): string[] {
  const isBack = 'cause' in rollout.phase;
  const counts = new Map<string, number>();
  for (const host of rollout.hosts.values()) {
    const word = isMaybeBack(host, rollout, now)
      ? 'may have gone back'
      : host.state === 'verified' && host.leftStopped
        ? stoppedWords(isHeld(host, held))
        : isBack && host.state === 'pending'
          ? 'untouched'
          : host.state;
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].map(([word, count]) => `${count} ${word}`);
}

/** Of a host that has the version: why no agent runs there. */
export function stoppedWords(isHeld: boolean): string {
  return `installed, not running (${isHeld ? 'held' : 'left stopped'})`;
}

function isHeld({ host, outcome }: HostProgress, held: Standpoint['held']): boolean {
  return held?.has(host.id) === true || (outcome?.kind === 'verified' && outcome.held === true);
}
