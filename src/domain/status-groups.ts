/**
 * The answers of a fleet in groups, what is wrong first: what a person can read of 10,000 hosts. Pure data; the CLI renders it.
 *
 * SG1  Every answer is in exactly one group, by the worst that is known of it.
 * SG2  A host without an answer is never counted as well, whatever it said before.
 */
import type { StatusAnswer } from './agent-status.ts';
import { agentTexts, isAbsent } from './agent-texts.ts';
import type { AgentStatus } from './lifecycle.ts';

/** Worst first. */
export const SEVERITIES = [
  'no-answer',
  'failed',
  'crash-looping',
  /** Processes of the agent that are not the service's. */
  'strays',
  /** A hold is in force and the service runs all the same. */
  'runs-although-held',
  /** Stopped, and nobody has said that it is to be. */
  'stopped',
  'broken-package',
  'absent',
  /** Another executable runs than the one that is installed. */
  'old-binary',
  'hold-due',
  /** Between two states, or another program is at work there. */
  'changing',
  'held',
  'active',
] as const;

export type Severity = (typeof SEVERITIES)[number];

/** So many starts by systemd within the last while make a service that runs now one that keeps crashing. */
const CRASHES = 3;
const SETTLED_MS = 60_000;

/** SG1. `now`: ms since the epoch, to tell holds that are due. */
export function severityOf({ answer }: Pick<StatusAnswer, 'answer'>, now: number): Severity {
  return answer.kind === 'none' ? 'no-answer' : severityOfStatus(answer.status, now);
}

export function severityOfStatus(status: AgentStatus, now: number): Severity {
  const { activeState, subState, hold, mainPid, restarts, uptimeMs } = status;
  // A stop that had to kill leaves `failed` behind: held, that is what was wanted.
  if (activeState === 'failed' && hold === null) return 'failed';
  const isYoung = uptimeMs !== null && uptimeMs < SETTLED_MS;
  if (subState.startsWith('auto-restart') || (mainPid !== 0 && isYoung && restarts >= CRASHES))
    return 'crash-looping';
  if (status.strays.length > 0) return 'strays';
  if (hold !== null && mainPid !== 0) return 'runs-although-held';
  if (status.busy || isBetween(activeState)) return 'changing';
  if (hold !== null) return now >= hold.until ? 'hold-due' : 'held';
  if (isAbsent(status)) return 'absent';
  if (mainPid === 0) return 'stopped';
  if (status.packageState === 'broken') return 'broken-package';
  return status.runsInstalled === false ? 'old-binary' : 'active';
}

function isBetween(activeState: string): boolean {
  return ['activating', 'deactivating', 'reloading', 'refreshing', 'maintenance'].includes(activeState);
}

export interface StatusGroup {
  readonly severity: Severity;
  /** Release of what runs or is installed, such as `5.10.2`; empty: none, or not known. Groups differ by it. */
  readonly version: string;
  /** Of those without an answer: why; of holds: by whom and why. Empty otherwise. Groups differ by it. */
  readonly why: string;
  readonly hosts: number;
  /** The first of them by name. */
  readonly names: readonly string[];
  /** Hosts of the group that are not in `names`. */
  readonly more: number;
}

export interface GroupOptions {
  /** Ms since the epoch. */
  readonly now: number;
  /** Most names a group; default 10. */
  readonly names?: number;
}

/** Worst first, and then the largest first. */
export function statusGroups(
  answers: Iterable<StatusAnswer>,
  { now, names = 10 }: GroupOptions,
): StatusGroup[] {
  const groups = new Map<string, { severity: Severity; version: string; why: string; all: string[] }>();
  for (const one of answers) {
    const severity = severityOf(one, now);
    const version = one.answer.kind === 'status' ? (agentTexts('version', one.answer.status)?.[0] ?? '') : '';
    const why = whyOf(one);
    const key = JSON.stringify([severity, version, why]);
    const group = groups.get(key) ?? { severity, version, why, all: [] };
    groups.set(key, group);
    group.all.push(one.host.name);
  }
  return [...groups.values()]
    .sort(
      (a, b) =>
        rankOf(a.severity) - rankOf(b.severity) ||
        b.all.length - a.all.length ||
        compareText(a.version, b.version) ||
        compareText(a.why, b.why),
    )
    .map(({ all, ...group }) => {
      const shown = all.sort(compareText).slice(0, names);
      return { ...group, hosts: all.length, names: shown, more: all.length - shown.length };
    });
}

/** Answers of single hosts in the same order: what is wrong first, and then by name. */
export function bySeverity(now: number): (a: StatusAnswer, b: StatusAnswer) => number {
  return (a, b) =>
    rankOf(severityOf(a, now)) - rankOf(severityOf(b, now)) ||
    compareText(a.host.name, b.host.name) ||
    compareText(a.host.id, b.host.id);
}

export function rankOf(severity: Severity): number {
  return SEVERITIES.indexOf(severity);
}

/** Without what is each host's own, or every one that is out of reach would be a group. */
function whyOf({ host, answer }: StatusAnswer): string {
  if (answer.kind === 'none') return answer.why.replaceAll(host.address, 'its address');
  const { hold } = answer.status;
  return hold === null ? '' : `${hold.by}: ${hold.reason}`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
