/** Who is not as a rollout meant them to be: what neither an exit code nor a report may leave out. Pure. */
import type { LeftOutHost } from './plan.ts';
import type { HostProgress, RolloutState } from './state.ts';

export interface Uncovered {
  /** Hosts of the plan that are not proven to be as they were meant. */
  readonly planned: readonly HostProgress[];
  /** Hosts that must have the agent and are in no wave, so that nobody knows or can change what they run. */
  readonly leftOut: readonly LeftOutHost[];
}

/** A canary means its canaries alone: the version on them while it lasts and with `keep`, else the one before it. */
export function uncoveredBy(rollout: RolloutState): Uncovered {
  const isCanary = rollout.kind === 'canary';
  const isBack = isCanary && rollout.phase.kind === 'rolled-back';
  const planned = [...rollout.hosts.values()].filter(
    ({ state }) => state !== 'verified' && state !== 'gone' && !(isBack && state === 'reverted'),
  );
  return { planned, leftOut: isCanary ? [] : rollout.leftOut.filter(isUncovered) };
}

/** Must have the agent, and this rollout has not brought it to the version. */
export function isUncovered({ why }: LeftOutHost): boolean {
  switch (why.kind) {
    case 'agent-absent':
    case 'unreachable':
    case 'incapable':
    case 'born-late':
    case 'unproven-build':
    // These keep a promotion from starting; a way back goes without them.
    case 'no-artifact':
    case 'no-way-back':
    case 'undecided':
      return true;
    case 'already-there':
    case 'exempt':
    case 'excluded':
    case 'not-running':
    case 'unsupported':
      return false;
    default:
      return why satisfies never;
  }
}

/**
 * Hosts that had the version before a rollout of it that was taken back, from canaries that were kept or by a hand: the
 * rollout has not touched them, so its rollback leaves them on what is now in quarantine.
 */
export function leftOnVersion({ kind, phase, version, pinBefore, leftOut }: RolloutState): LeftOutHost[] {
  const isTakenBack = 'cause' in phase && phase.cause.kind !== 'canary-finished';
  if (!isTakenBack || kind === 'rollback' || pinBefore?.version === version) return [];
  return leftOut.filter(({ why }) => why.kind === 'already-there');
}
