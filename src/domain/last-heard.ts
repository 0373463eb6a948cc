/**
 * From a fleet manager's list of machines to numbers of hosts. Pure.
 *
 * LH1  What was heard before a host was changed says nothing: its age counts from the change on.
 * LH2  A name that two of our hosts have, or that two machines go by at the same time, is ambiguous: the living one would vouch for
 *      the dead one. A machine that enrolled anew leaves an old record behind, which is no second machine.
 * LH3  A host that the manager does not know has no number: nobody can tell a wrong name from a silent host.
 * LH4  Ages are told only between clocks that agree.
 * LH5  A manager that hears nobody at all says nothing about anybody: it may be deaf itself.
 */
import { formatDuration } from './duration.ts';
import type { Sample } from './gate.ts';
import type { HostId } from './host.ts';
import { hostValueFor } from './host-value.ts';
import { releaseOf } from './version.ts';
import type { HeardMeasure } from './witness.ts';

/** A machine as the manager has it; times in ms since the epoch. */
export interface HeardMachine {
  /** The manager's own id. */
  readonly id: string;
  readonly name: string;
  /** Null: never. */
  readonly lastSeen: number | null;
  /** When its record was made; null: not told. */
  readonly enrolledAt: number | null;
  /** As it last reported it; may be empty. */
  readonly version: string;
  /** When that was; null: not told. */
  readonly versionAt: number | null;
}

export interface HeardHost {
  readonly id: HostId;
  readonly name: string;
  readonly address: string;
  readonly zone: string;
  readonly role: string;
  /** 0: not changed. */
  readonly changedAt: number;
}

export interface HeardQuestion {
  readonly machines: Iterable<HeardMachine>;
  readonly hosts: readonly HeardHost[];
  readonly hostValue: string;
  readonly measure: HeardMeasure;
  /** What the hosts should run. */
  readonly version: string;
  /** Span (from, to] and the distance of its steps, ms. */
  readonly from: number;
  readonly to: number;
  readonly stepMs: number;
  /** Our clock when the list was complete. */
  readonly now: number;
}

export interface HeardAnswer {
  readonly byHost: ReadonlyMap<HostId, readonly Sample[]>;
  readonly ambiguous: readonly HostId[];
  readonly warnings: readonly string[];
  /** Hosts that the manager does not know. */
  readonly unknown: readonly HostId[];
}

/** How far clocks may lie apart, ms: ages are compared with minutes. */
export const MOST_SKEW_MS = 10_000;

/** Of two records that are told apart by when one began, ms: a manager writes down late what it heard. */
const ENROL_SLACK_MS = 60_000;

/** LH5: how long nobody may be heard, ms. An agent reports once a minute with osctrl's defaults, every ten seconds with Fleet's. */
const DEAF_MS = 180_000;

/** A record that was silent for longer is a machine of the past, ms. */
const RECENT_MS = 86_400_000;

export function whoWasHeard(question: HeardQuestion): HeardAnswer {
  const { hosts, hostValue, now } = question;
  const names = new Map<string, HeardHost[]>();
  for (const host of hosts) {
    const name = hostValueFor(hostValue, host);
    const same = names.get(name);
    if (same === undefined) names.set(name, [host]);
    else same.push(host);
  }
  const machines = new Map<string, HeardMachine[]>();
  let lastOfAll: number | null = null;
  for (const machine of question.machines) {
    lastOfAll = Math.max(lastOfAll ?? 0, machine.lastSeen ?? 0);
    if (!names.has(machine.name)) continue;
    const same = machines.get(machine.name);
    if (same === undefined) machines.set(machine.name, [machine]);
    else same.push(machine);
  }
  const byHost = new Map<HostId, readonly Sample[]>();
  const ambiguous: HostId[] = [];
  const unknown: HostId[] = [];
  const ahead: string[] = [];
  for (const [name, same] of names) {
    const found = machines.get(name) ?? [];
    const newest = newestOf(found);
    if (newest === null) {
      unknown.push(...same.map(({ id }) => id));
      continue;
    }
    if (same.length > 1 || isSeveral(found, newest, now)) {
      ambiguous.push(...same.map(({ id }) => id));
      continue;
    }
    const [host] = same;
    if (host === undefined) continue;
    if (newest.lastSeen !== null && newest.lastSeen > now + MOST_SKEW_MS) ahead.push(host.name);
    else byHost.set(host.id, samplesOf(host, newest, question));
  }
  const warnings = ahead.length === 0 ? [] : [aheadWords(ahead)];
  if (lastOfAll !== null && now - lastOfAll > DEAF_MS) warnings.push(deafWords(now - lastOfAll));
  return { byHost, ambiguous, warnings, unknown };
}

/** What is said where the manager's clock and ours disagree; null where they agree. `began` and `ended` are ours around its answer. */
export function skewWords(date: number | null, began: number, ended: number): string | null {
  if (date === null) return null;
  // A Date header has whole seconds.
  const behind = began - (date + 1_000);
  const ahead = date - ended;
  if (Math.max(behind, ahead) <= MOST_SKEW_MS) return null;
  const far = formatDuration(Math.round(Math.max(behind, ahead) / 1_000) * 1_000);
  const where = ahead > 0 ? 'ahead of' : 'behind';
  return `its clock is ${far} ${where} this machine's: how long ago a host was heard cannot be told (mend: timedatectl set-ntp true)`;
}

function newestOf(machines: readonly HeardMachine[]): HeardMachine | null {
  return machines.reduce<HeardMachine | null>(
    (newest, machine) =>
      newest === null || (machine.lastSeen ?? -1) > (newest.lastSeen ?? -1) ? machine : newest,
    null,
  );
}

/** LH2: was another record heard after the newest one had begun? */
function isSeveral(machines: readonly HeardMachine[], newest: HeardMachine, now: number): boolean {
  const { enrolledAt } = newest;
  if (enrolledAt === null) return false;
  return machines.some(
    ({ id, lastSeen }) =>
      id !== newest.id &&
      lastSeen !== null &&
      lastSeen > enrolledAt + ENROL_SLACK_MS &&
      lastSeen > now - RECENT_MS,
  );
}

function samplesOf(
  host: HeardHost,
  machine: HeardMachine,
  { measure, version, from, to, stepMs }: HeardQuestion,
): Sample[] {
  const valueAt = measure === 'version' ? versionNumber(host, machine, version) : ageAt(host, machine);
  if (valueAt === null || !(stepMs > 0)) return [];
  const samples: Sample[] = [];
  for (let at = from + stepMs; at <= to; at += stepMs)
    if (at > host.changedAt) samples.push({ at, value: valueAt(at) });
  return samples;
}

type ValueAt = ((at: number) => number) | null;

/** LH1. A manager keeps only the last time: who was heard after a step counts as heard at that step. */
function ageAt({ changedAt }: HeardHost, { lastSeen }: HeardMachine): ValueAt {
  if (lastSeen === null && changedAt === 0) return null;
  const since = Math.max(lastSeen ?? 0, changedAt);
  return (at) => Math.max(0, at - since) / 1_000;
}

/** What was reported before the change is no news, unless it is what should be reported. */
function versionNumber({ changedAt }: HeardHost, machine: HeardMachine, wanted: string): ValueAt {
  const { lastSeen, version, versionAt } = machine;
  if (changedAt === 0 || lastSeen === null || lastSeen < changedAt || version === '') return null;
  if (releaseOf(wanted, version)) return () => 1;
  return versionAt !== null && versionAt < changedAt ? null : () => 0;
}

function deafWords(sinceMs: number): string {
  const since = sinceMs > RECENT_MS ? 'a day' : formatDuration(Math.floor(sinceMs / 60_000) * 60_000);
  return `nobody at all was heard for ${since}: it may hear nobody, so that the silence of one says nothing`;
}

function aheadWords(names: readonly string[]): string {
  const rest = names.length - 3;
  const shown = names.slice(0, 3).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
  return `${shown} were heard in the future: look at the clocks (mend: timedatectl set-ntp true)`;
}
