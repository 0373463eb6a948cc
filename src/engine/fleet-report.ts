/**
 * What `fleet`, `coverage` and `whois` tell of: the fleet as it is now, by listing it and looking at it, or as the journal
 * recorded it. Changes nothing, unless it is asked to record what was seen.
 *
 * FR1  A question about the past is answered from the journal alone: nothing is contacted.
 * FR2  An altered journal is refused. One that cannot be read keeps nobody from seeing the fleet as it is now, and that is said.
 */
import { type AddressAnswer, whoHad } from '../domain/address-history.ts';
import type { UnknownZone } from '../domain/coverage-report.ts';
import { type Expression, evaluate } from '../domain/expression.ts';
import { FleetFold, type FleetRecord, foldFleet } from '../domain/fleet-changes.ts';
import { type FleetRow, fleetRows, knownBuilds } from '../domain/fleet-view.ts';
import { foldEntries } from '../domain/fold.ts';
import type { HostId } from '../domain/host.ts';
import { type Entry, verifyChain } from '../domain/journal.ts';
import { nextListing } from '../domain/listing-parts.ts';
import { recordedUntil } from '../domain/recorded-until.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { uncoveredSince } from '../domain/uncovered-since.ts';
import { isUnknownPlace } from '../domain/unknown-zones.ts';
import { hostOfRecord, unrecordedAttributes } from '../domain/where-on-record.ts';
import { type EngineContext, type Refusal, refuse } from './context.ts';
import { agentSeen, recordFleet, seenHosts } from './record-fleet.ts';
import { openLedger } from './run-rollout.ts';
import { calledOff, type Fleet, type LookedAt, listFleet, lookAtHosts } from './survey.ts';

export interface FleetQuestion {
  /** `look`: list, and ask every eligible VM over SSH. `list`: agents are then as last recorded. `recorded`: FR1. */
  readonly how: { readonly kind: 'look' | 'list' } | { readonly kind: 'recorded'; readonly at: number };
  /** Only VMs that it holds of are looked at and told of. */
  readonly where?: Expression;
  /** Write what was seen into the journal; not with `recorded`. */
  readonly record?: boolean;
  /** Refuse where the journal cannot be read, instead of going on without it. */
  readonly needsJournal?: boolean;
}

export type FleetSource =
  | { readonly kind: 'look'; readonly at: number }
  /** `agentsAt`: when an agent of it was last looked at, ms; 0: never. */
  | { readonly kind: 'list'; readonly at: number; readonly agentsAt: number }
  /** The last listing by the time asked about, and the first one after it (null: none yet), ms. */
  | {
      readonly kind: 'recorded';
      readonly asked: number;
      readonly at: number;
      readonly nextAt: number | null;
    };

export interface FleetReport {
  readonly environment: string;
  readonly source: FleetSource;
  /** In the order in which they are shown. */
  readonly rows: readonly FleetRow[];
  /** VMs in all, before `where`. */
  readonly all: number;
  readonly unknownZones: readonly UnknownZone[];
  /** Version that the environment is meant to run; null: no pin. */
  readonly pin: string | null;
  readonly since: ReadonlyMap<HostId, number>;
  /** What a reader must know besides, a sentence each. */
  readonly notes: readonly string[];
  /** What was seen is in the journal; null: nobody asked for that. */
  readonly recorded: boolean | null;
}

export async function reportFleet(
  context: EngineContext,
  question: FleetQuestion,
  signal?: AbortSignal,
): Promise<Result<FleetReport, Refusal>> {
  const read = await readEntries(context);
  const { how } = question;
  if (how.kind === 'recorded') return read.ok ? recordedReport(context, question, how.at, read.value) : read;
  if (!read.ok && (question.needsJournal === true || read.error.code === 'journal-corrupt')) return read;
  const entries = read.ok ? read.value : [];
  const fleet = await listFleet(context, signal);
  if (!fleet.ok) return fleet;
  const { where } = question;
  const hosts =
    where === undefined ? fleet.value.hosts : fleet.value.hosts.filter(({ host }) => evaluate(where, host));
  const looked = how.kind === 'look' ? await lookAtHosts(context, hosts, signal) : [];
  if (signal?.aborted) return err(calledOff(context, 'looking at'));
  const recorded = question.record === true ? await record(context, fleet.value, looked) : null;
  const report = presentReport(context, { entries, fleet: fleet.value, hosts, looked, how: how.kind });
  const notes = read.ok ? [] : [`${read.error.message}: since when, and what ran before, is not known here`];
  if (recorded === false) notes.push('NOT recorded: the journal did not take what was seen');
  return ok({ ...report, notes, recorded });
}

interface Present {
  readonly entries: readonly Entry[];
  readonly fleet: Fleet;
  readonly hosts: Fleet['hosts'];
  readonly looked: readonly LookedAt[];
  readonly how: 'look' | 'list';
}

/** Lays what was seen now over what the journal knows. */
function presentReport(
  context: EngineContext,
  { entries, fleet, hosts, looked, how }: Present,
): Omit<FleetReport, 'notes' | 'recorded'> {
  const at = context.clock.now();
  const fold = new FleetFold();
  for (const entry of entries) fold.apply(entry);
  const before = fold.record();
  const unknownZones = fleet.unknownZones.map(({ zone }) => zone);
  const seen = seenHosts(fleet, looked);
  const body = { kind: 'fleet-seen', seen, gone: [], unknownZones } as const;
  fold.apply({ at, body });
  const { pin, holds } = foldEntries(entries);
  const ids = new Set(hosts.map(({ host }) => host.id));
  const since = uncoveredSince([...entries, { at, body }]);
  // First seen by this very question: the journal does not know since when.
  for (const id of ids) if (!before.hosts.has(id)) since.delete(id);
  return {
    environment: context.environment.name,
    source: how === 'look' ? { kind: how, at } : { kind: how, at, agentsAt: lastLook(before) },
    rows: fleetRows(
      fold.record(),
      knownBuilds(entries, pin),
      { ids, silences: silencesOf(looked) },
      { holds, now: at },
    ),
    all: fleet.hosts.length,
    unknownZones: withLastKnown(fleet.unknownZones, before),
    pin: pin?.version ?? null,
    since,
  };
}

function lastLook({ hosts }: FleetRecord): number {
  let last = 0;
  for (const { agentSeenAt, goneAt } of hosts.values())
    if (goneAt === null) last = Math.max(last, agentSeenAt);
  return last;
}

function silencesOf(looked: readonly LookedAt[]): Map<HostId, string> {
  const silences = new Map<HostId, string>();
  for (const one of looked) {
    const agent = agentSeen(one);
    if (agent.kind === 'unseen') silences.set(one.id, agent.why);
  }
  return silences;
}

function withLastKnown(zones: Fleet['unknownZones'], before: FleetRecord): UnknownZone[] {
  const present = [...before.hosts.values()].filter(({ goneAt }) => goneAt === null);
  return zones.map(({ zone, why }) => {
    const place = new Set([zone]);
    const lastKnown = before.at === 0 ? null : present.filter((host) => isUnknownPlace(host, place)).length;
    return { zone, why, lastKnown };
  });
}

/** FR1. */
function recordedReport(
  context: EngineContext,
  { where }: FleetQuestion,
  asked: number,
  entries: readonly Entry[],
): Result<FleetReport, Refusal> {
  const { name } = context.environment;
  const unrecorded = where === undefined ? [] : unrecordedAttributes(where);
  if (unrecorded.length > 0) {
    const message = `the journal keeps no ${unrecorded.join(', ')} of VMs: --where cannot ask for it of the past`;
    return err(refuse('usage', 'not-recorded', message, { next: 'leave it out of --where' }));
  }
  const { entries: until, clockAhead } = recordedUntil(entries, asked);
  const record = foldFleet(until);
  const nextAt = nextListing(until, entries.slice(until.length))?.entry.at ?? null;
  if (record.at === 0) return err(noRecord(name, asked, nextAt));
  const { pin, holds } = foldEntries(until);
  const all = fleetRows(record, knownBuilds(until, pin), undefined, { holds, now: asked });
  return ok({
    environment: name,
    source: { kind: 'recorded', asked, at: record.at, nextAt },
    rows: where === undefined ? all : all.filter((row) => evaluate(where, hostOfRecord(row))),
    all: all.length,
    unknownZones: withLastKnown(
      record.unknownZones.map((zone) => ({ zone, why: 'it could not be listed then' })),
      record,
    ),
    pin: pin?.version ?? null,
    since: uncoveredSince(until),
    notes: clockNotes(clockAhead),
    recorded: null,
  });
}

function clockNotes(clockAhead: number | null): string[] {
  return clockAhead === null
    ? []
    : [
        `the clocks of those who wrote the journal disagree: an entry of ${iso(clockAhead)} was written before a later one of an earlier time`,
      ];
}

function noRecord(name: string, asked: number, first: number | null): Refusal {
  const message =
    first === null
      ? `the fleet of ${name} was never recorded`
      : `the fleet of ${name} was not recorded by ${iso(asked)}; the first record of it is of ${iso(first)}`;
  return refuse('failed', 'no-record', message, {
    next: `rollout fleet ${name} --record, for questions about later times`,
  });
}

function iso(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}

/** Every entry, with the chain checked. */
async function readEntries(context: EngineContext): Promise<Result<readonly Entry[], Refusal>> {
  const { name } = context.environment;
  const read = await context.journal.read(0);
  if (!read.ok) {
    const message = 'message' in read.error ? read.error.message : read.error.kind;
    return err(
      refuse('failed', `journal-${read.error.kind}`, `cannot read the journal of ${name}: ${message}`),
    );
  }
  const broken = verifyChain(read.value, context.digest);
  if (broken === null) return read;
  const message = `the journal of ${name} is not whole: ${JSON.stringify(broken)}; nothing is told from such a record`;
  return err(refuse('failed', 'journal-corrupt', message, { next: `rollout history ${name} --verify` }));
}

/** True: all of it is in the journal. What failed has been told. */
async function record(context: EngineContext, fleet: Fleet, looked: readonly LookedAt[]): Promise<boolean> {
  let isWhole = true;
  const quiet: EngineContext = {
    ...context,
    tell: (event) => {
      // Entries of a whole fleet are no news to whoever is shown the fleet.
      if (event.kind === 'recorded') return;
      if (event.kind === 'notice') isWhole = false;
      context.tell(event);
    },
  };
  const ledger = openLedger(quiet);
  const refreshed = await ledger.refresh();
  if (!refreshed.ok) return false;
  await recordFleet(quiet, ledger, fleet, looked, { evenUnchanged: true });
  return isWhole;
}

export interface WhoisReport {
  readonly environment: string;
  readonly address: string;
  /** Ms since the epoch. */
  readonly asked: number;
  readonly answer: AddressAnswer;
  /** Those who had it then, with what ran there as far as it was known then. */
  readonly rows: ReadonlyMap<HostId, FleetRow>;
  readonly notes: readonly string[];
}

/** FR1. */
export async function reportAddress(
  context: EngineContext,
  address: string,
  asked: number,
): Promise<Result<WhoisReport, Refusal>> {
  const read = await readEntries(context);
  if (!read.ok) return read;
  const { entries: until, clockAhead } = recordedUntil(read.value, asked);
  const answer = whoHad(address, until, read.value.slice(until.length));
  const holders = answer.kind === 'recorded' ? answer.holders : [];
  const ids = new Set(holders.map(({ host }) => host.id));
  const { pin } = foldEntries(until);
  const rows = fleetRows(foldFleet(until), knownBuilds(until, pin), { ids, silences: new Map() });
  return ok({
    environment: context.environment.name,
    address,
    asked,
    answer,
    rows: new Map(rows.map((row) => [row.id, row])),
    notes: clockNotes(clockAhead),
  });
}
