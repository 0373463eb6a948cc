/**
 * A fleet as it is shown: one row a VM, with what is known of its agent and since when. Made from the journal's record, with a
 * new listing and look laid over it or not. Pure.
 *
 * FV1  Running is a process that was seen running, never what dpkg or systemd say. What version runs is told by the digest of
 *      that process, wherever a rollout has made the digest known.
 * FV2  A host that does not answer now is silent, whatever it ran when it last did.
 * FV3  Whoever was running when it was last seen, before somebody wished to stop it, is not known to run.
 */
import type { FleetRecord, RecordedHost } from './fleet-changes.ts';
import { dueOf } from './holds.ts';
import type { Eligibility, HostId } from './host.ts';
import type { Entry, Pin } from './journal.ts';
import type { HoldTerms } from './lifecycle.ts';
import type { HeldHost } from './state.ts';
import { releaseOf } from './version.ts';

export type AgentState =
  | 'running'
  /** Installed, and no process of it was seen. */
  | 'stopped'
  | 'absent'
  /** Somebody looked, and it did not answer. */
  | 'silent'
  /** Nobody has looked there yet. */
  | 'unseen';

export interface FleetRow extends RecordedHost {
  readonly state: AgentState;
  /** Full Debian version of what runs, else of what is installed; empty: none, or not known. */
  readonly version: string;
  /** `digest`: the running process is known to be that version (FV1); `dpkg`: only the package database says so. */
  readonly versionBy: 'digest' | 'dpkg' | 'nothing';
  /** Another version than the environment is meant to run; null: there is no pin, or no version is known. */
  readonly isOffPin: boolean | null;
  /** Why there is no answer; empty where there is one. */
  readonly silence: string;
  /** The hold that the journal knows of; absent: none. */
  readonly held?: HeldShown;
}

/** Who wants the agent to stay stopped, why, and until when. */
export interface HeldShown extends Pick<HoldTerms, 'actionId' | 'by' | 'reason' | 'since' | 'until'> {
  /** `wished`: the host has not confirmed it. */
  readonly state: HeldHost['state'];
  /** Past its end, and in force all the same. */
  readonly due: boolean;
}

export interface HoldsAt {
  readonly holds: ReadonlyMap<HostId, HeldHost>;
  /** Ms since the epoch: what is due is due by then. */
  readonly now: number;
}

/** What the journal tells of packages: by it a digest on a host gets its version. */
export interface KnownBuilds {
  readonly pin: Pin | null;
  /** Full Debian version by the sha256 of the daemon's executable. */
  readonly versions: ReadonlyMap<string, string>;
  /** Executables of the pinned packages; empty where the journal does not tell. */
  readonly pinned: ReadonlySet<string>;
}

export function knownBuilds(entries: readonly Entry[], pin: Pin | null): KnownBuilds {
  const versions = new Map<string, string>();
  const executables = new Map<string, string>();
  for (const { body } of entries) {
    if (body.kind !== 'rollout-planned') continue;
    const before = body.plan.waves.flatMap((wave) => wave.hosts.map(({ from }) => from.artifact));
    for (const artifact of [...before, ...Object.values(body.artifacts)]) {
      if (artifact === undefined) continue;
      versions.set(artifact.executable.sha256, artifact.control.version);
      executables.set(artifact.sha256, artifact.executable.sha256);
    }
  }
  const pinned = Object.values(pin?.digests ?? {}).flatMap((digest) => executables.get(digest) ?? []);
  return { pin, versions, pinned: new Set(pinned) };
}

/** Rows of the hosts named, or of all that are not gone; in the order in which they are shown. */
export function fleetRows(
  record: FleetRecord,
  builds: KnownBuilds,
  only?: { readonly ids: ReadonlySet<HostId>; readonly silences: ReadonlyMap<HostId, string> },
  holdsAt: HoldsAt = { holds: new Map(), now: 0 },
): FleetRow[] {
  const rows: FleetRow[] = [];
  for (const host of record.hosts.values()) {
    if (only === undefined ? host.goneAt === null : only.ids.has(host.id))
      rows.push(
        withHold(
          rowOf(host, builds, only?.silences.get(host.id)),
          heldNow(holdsAt.holds.get(host.id), holdsAt.now),
        ),
      );
  }
  return rows.sort(byOrder);
}

/** FV3. */
function withHold(row: FleetRow, held: Pick<FleetRow, 'held'>): FleetRow {
  const since = held.held?.since ?? 0;
  const isOld = row.state === 'running' && row.agentSeenAt < since;
  return { ...row, ...held, ...(isOld ? { state: 'unseen' } : {}) };
}

function rowOf(host: RecordedHost, builds: KnownBuilds, silence: string | undefined): FleetRow {
  const state = stateOf(host);
  const { agent } = host;
  const told = agent.kind === 'unseen' && state === 'silent' ? agent.why : '';
  const none = { version: '', versionBy: 'nothing', isOffPin: null } as const;
  return {
    ...host,
    state,
    silence: state === 'silent' ? (silence ?? told) : '',
    ...(agent.kind === 'installed' ? versionOf(agent, builds) : none),
  };
}

function heldNow(held: HeldHost | undefined, now: number): { readonly held?: HeldShown } {
  if (held === undefined) return {};
  const { actionId, by, reason, since, until } = held.terms;
  return { held: { actionId, by, reason, since, until, state: held.state, due: dueOf(held.terms, now).due } };
}

/** Who holds it, why and when that is due, in a sentence without its end mark. */
export function whyHeld({ by, reason, since, until, state, due }: HeldShown): string {
  const wished = state === 'wished' ? ', which the host has not confirmed' : '';
  const end = due ? `was due ${day(until)}` : `due ${day(until)}`;
  return `held by ${by} since ${day(since)} (${reason}), ${end}${wished}`;
}

function day(at: number): string {
  return `${new Date(Math.min(at, LAST_DAY)).toISOString().slice(0, 16)}Z`;
}

const LAST_DAY = Date.UTC(9999, 11, 31);

/** FV1, FV2. */
function stateOf({ agent, silentSince }: RecordedHost): AgentState {
  if (silentSince !== null) return 'silent';
  if (agent.kind !== 'installed') return agent.kind;
  return agent.runningSha256 === '' ? 'stopped' : 'running';
}

function versionOf(
  { packageVersion, runningSha256 }: Extract<RecordedHost['agent'], { kind: 'installed' }>,
  { pin, versions, pinned }: KnownBuilds,
): Pick<FleetRow, 'version' | 'versionBy' | 'isOffPin'> {
  const proven = versions.get(runningSha256);
  const version = proven ?? packageVersion;
  const isPinned =
    runningSha256 !== '' && pinned.size > 0
      ? pinned.has(runningSha256)
      : pin !== null && releaseOf(version, pin.version);
  return {
    version,
    versionBy: proven === undefined ? 'dpkg' : 'digest',
    isOffPin: pin === null ? null : !isPinned,
  };
}

export const ELIGIBILITY_KINDS = [
  'undecided',
  'eligible',
  'not-running',
  'unsupported',
  'exempt',
  'excluded',
] as const satisfies readonly Eligibility['kind'][];

/** Of those that must have the agent, troubled ones first. */
const STATE_ORDER: readonly AgentState[] = ['silent', 'absent', 'stopped', 'unseen', 'running'];

/** What needs a person comes first. */
function byOrder(a: FleetRow, b: FleetRow): number {
  return (
    rankOf(a) - rankOf(b) ||
    compareText(a.name, b.name) ||
    a.id.length - b.id.length ||
    compareText(a.id, b.id)
  );
}

function rankOf({ eligibility, state }: FleetRow): number {
  const kind = ELIGIBILITY_KINDS.indexOf(eligibility.kind) * 10;
  return eligibility.kind === 'eligible' ? kind + STATE_ORDER.indexOf(state) : kind;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Why a VM is what it is, in a sentence with the rule and what matched; empty for the plainly eligible. */
export function whyEligibility(eligibility: Eligibility): string {
  switch (eligibility.kind) {
    case 'eligible': {
      const { lapsed } = eligibility;
      return lapsed === undefined
        ? ''
        : `${lapsed.rule} exempted it until ${new Date(lapsed.until).toISOString().slice(0, 16)}Z: ${lapsed.reason}`;
    }
    case 'exempt':
      return `${eligibility.rule} (${eligibility.reason}): ${eligibility.evidence}`;
    case 'undecided':
      return eligibility.evidence;
    case 'not-running':
      return `the VM is ${eligibility.status}`;
    case 'unsupported':
      return eligibility.rule === undefined
        ? eligibility.evidence
        : `${eligibility.rule}: ${eligibility.evidence}`;
    case 'excluded':
      return eligibility.rule;
    default:
      return eligibility satisfies never;
  }
}

export interface FleetCounts {
  readonly all: number;
  readonly byEligibility: Readonly<Record<Eligibility['kind'], number>>;
  /** Of the eligible. */
  readonly byState: Readonly<Record<AgentState, number>>;
  /** Eligible, running, and not what the pin says. */
  readonly offPin: number;
  /** Eligible and held as they are by something on the host itself. */
  readonly held: number;
}

export function countFleet(rows: readonly FleetRow[]): FleetCounts {
  const byEligibility: Record<Eligibility['kind'], number> = {
    eligible: 0,
    exempt: 0,
    undecided: 0,
    'not-running': 0,
    unsupported: 0,
    excluded: 0,
  };
  const byState: Record<AgentState, number> = { running: 0, stopped: 0, absent: 0, silent: 0, unseen: 0 };
  let offPin = 0;
  let held = 0;
  for (const { eligibility, state, isOffPin, agent } of rows) {
    byEligibility[eligibility.kind] += 1;
    if (eligibility.kind !== 'eligible') continue;
    byState[state] += 1;
    if (state === 'running' && isOffPin === true) offPin += 1;
    if (agent.kind === 'installed' && agent.hold !== '') held += 1;
  }
  return { all: rows.length, byEligibility, byState, offPin, held };
}
