/**
 * What the journal knows of the fleet, folded up to a time, and what has to be written for it to know more. Pure.
 *
 * F1  Whoever is missing from a listing is gone, unless its zone could not be listed: then nobody knows.
 * F2  A look that brought nothing never overwrites what a look had brought: what ran stays known, with its time, and since when
 *     the host has been silent.
 * F3  A VM made anew under an old name or address is another host, since only the instance id counts.
 * F4  A listing counts when the last of its entries is there (listing-parts.ts).
 * F5  What a lifecycle action proved on a host is what is there from when it happened, unless something newer is known. A started
 *     agent counts as running only with the executable that was seen running there before, or that a rollout proved to be installed
 *     there, in that version (FV1).
 */
import type { AgentSeen, SeenHost } from './fleet-record.ts';
import type { HostId } from './host.ts';
import type { AnsweredHost, Entry, EntryBody } from './journal.ts';
import type { AnsweredAction } from './lifecycle.ts';
import { ListingParts } from './listing-parts.ts';
import { isUnknownPlace } from './unknown-zones.ts';

/** `why` of an agent that is `unseen` because nobody looked: says nothing about the host (F2). */
export const NOT_LOOKED = 'nobody looked';

/** What can be told of a host at a time: as it was last recorded, with the newest that is known of its agent. */
export interface RecordedHost extends SeenHost {
  /** When it was first and last seen in the inventory or answered, ms since the epoch. */
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
  /** Since when it is no longer in the inventory, ms; null while it is, or while its zone is unknown. */
  readonly goneAt: number | null;
  /** When `agent` was seen, ms; 0 never, `agent` is then `unseen`. */
  readonly agentSeenAt: number;
  /** Since when it does not answer a look, ms; null when it does, or when nobody has looked. */
  readonly silentSince: number | null;
}

export interface FleetRecord {
  /** Those that are gone included. */
  readonly hosts: ReadonlyMap<HostId, RecordedHost>;
  /** What could not be listed the last time. */
  readonly unknownZones: readonly string[];
  /** When the inventory was last recorded, ms since the epoch; 0 never: nothing is then known. */
  readonly at: number;
}

type Installed = Extract<AgentSeen, { kind: 'installed' }>;

/** As the host's `look` calls a hold of this tool. */
const HELD_WORD = 'rollout hold';

/** What else keeps it as it is. A mask may have been the hold's brake: the next look tells. */
function withoutHeldWord(hold: string): string {
  return hold.includes(HELD_WORD) ? '' : hold;
}

export type FleetSeen = Extract<EntryBody, { kind: 'fleet-seen' }>;

/** Most hosts an entry. */
export const HOSTS_AN_ENTRY = 500;

/** What the entries know; of a time in the past those that recordedUntil gives. */
export function foldFleet(entries: readonly Entry[]): FleetRecord {
  const fold = new FleetFold();
  for (const entry of entries) fold.apply(entry);
  return fold.record();
}

/** The same, entry by entry as they are read. */
export class FleetFold {
  readonly #hosts = new Map<HostId, RecordedHost>();
  #unknown: ReadonlySet<string> = new Set();
  #at = 0;
  /** The last listing before a zone became unknown, by the zone's name. */
  readonly #knownUntil = new Map<string, number>();
  readonly #parts = new ListingParts();
  /** What ran last on a host, for when it runs again (F5). */
  readonly #lastRan = new Map<HostId, Installed>();

  apply({ at, body }: Pick<Entry, 'at' | 'body'>): void {
    switch (body.kind) {
      case 'fleet-seen':
        for (const part of this.#parts.take(body) ?? []) this.#listed(part, at);
        return;
      case 'hosts-answered':
        for (const host of body.hosts) this.#answered(host, at);
        return;
      case 'lifecycle-answered':
        for (const host of body.hosts) this.#acted(host, Math.min(at, body.happenedAt));
        return;
      default:
    }
  }

  #listed({ seen, gone, unknownZones }: FleetSeen, at: number): void {
    for (const zone of unknownZones) if (!this.#knownUntil.has(zone)) this.#knownUntil.set(zone, this.#at);
    this.#unknown = new Set(unknownZones);
    for (const zone of this.#knownUntil.keys()) if (!this.#unknown.has(zone)) this.#knownUntil.delete(zone);
    for (const id of gone) {
      const host = this.#hosts.get(id);
      if (host === undefined || host.goneAt !== null) continue;
      this.#hosts.set(id, { ...host, lastSeenAt: this.#lastSeen(host), goneAt: at });
    }
    this.#at = at;
    for (const host of seen) {
      const known = withKnown(host, this.#hosts.get(host.id), at);
      this.#hosts.set(host.id, known);
      this.#remember(host.id, known.agent);
    }
  }

  #remember(id: HostId, agent: AgentSeen): void {
    if (agent.kind === 'installed' && agent.runningSha256 !== '') this.#lastRan.set(id, agent);
  }

  /** F5. */
  #acted({ id, outcome }: AnsweredAction, at: number): void {
    const host = this.#hosts.get(id);
    if (host === undefined || outcome.kind !== 'proven' || host.agentSeenAt > at) return;
    const agent = this.#agentAfter(host, outcome);
    if (agent === null) return;
    this.#hosts.set(id, {
      ...host,
      agent,
      agentSeenAt: at,
      silentSince: null,
      goneAt: null,
      lastSeenAt: Math.max(host.lastSeenAt, at),
    });
  }

  /** Null: what is there now cannot be told from it. */
  #agentAfter(
    { id, agent }: RecordedHost,
    { service, version, held }: Extract<AnsweredAction['outcome'], { kind: 'proven' }>,
  ): AgentSeen | null {
    if (service === 'absent') return { kind: 'absent' };
    const before = agent.kind === 'installed' ? agent : null;
    const packageVersion = version === '' ? (before?.packageVersion ?? '') : version;
    if (packageVersion === '') return null;
    if (service !== 'running')
      return {
        kind: 'installed',
        packageVersion,
        service: 'inactive',
        runningSha256: '',
        hold: held ? HELD_WORD : withoutHeldWord(before?.hold ?? ''),
      };
    const ran = this.#lastRan.get(id);
    if (ran?.packageVersion !== packageVersion) return null;
    return { ...ran, service: 'active', hold: held ? HELD_WORD : withoutHeldWord(before?.hold ?? '') };
  }

  /** Between two listings, what a rollout proved on a host is what runs there. */
  #answered({ id, outcome }: AnsweredHost, at: number): void {
    const host = this.#hosts.get(id);
    if (host === undefined) return;
    if (outcome.kind === 'gone') {
      if (host.goneAt === null)
        this.#hosts.set(id, { ...host, lastSeenAt: this.#lastSeen(host), goneAt: at });
      return;
    }
    if (outcome.kind !== 'verified' && outcome.kind !== 'reverted') return;
    const isRunning = outcome.service === 'running';
    const agent: Installed = {
      kind: 'installed',
      packageVersion: outcome.packageVersion,
      service: isRunning ? 'active' : 'inactive',
      runningSha256: isRunning ? outcome.sha256 : '',
      hold: host.agent.kind === 'installed' ? host.agent.hold : '',
    };
    // Left stopped, it was proven by the executable that a start will run.
    this.#remember(id, { ...agent, runningSha256: outcome.sha256 });
    this.#hosts.set(id, {
      ...host,
      agent,
      agentSeenAt: at,
      silentSince: null,
      goneAt: null,
      lastSeenAt: Math.max(host.lastSeenAt, at),
    });
  }

  record(): FleetRecord {
    const hosts = new Map<HostId, RecordedHost>();
    for (const [id, host] of this.#hosts)
      hosts.set(id, host.goneAt === null ? { ...host, lastSeenAt: this.#lastSeen(host) } : host);
    return { hosts, unknownZones: [...this.#unknown], at: this.#at };
  }

  /** A listing that does not name a host as gone has seen it, unless its zone could not be listed. */
  #lastSeen(host: RecordedHost): number {
    let listedAt = this.#at;
    for (const [zone, at] of this.#knownUntil)
      if (isUnknownPlace(host, new Set([zone]))) listedAt = Math.min(listedAt, at);
    return Math.max(host.lastSeenAt, listedAt);
  }
}

/** F2. */
function withKnown(host: SeenHost, before: RecordedHost | undefined, at: number): RecordedHost {
  const isSeen = host.agent.kind !== 'unseen';
  const isSilent = host.agent.kind === 'unseen' && host.agent.why !== NOT_LOOKED;
  const silentSince = isSilent ? (before?.silentSince ?? at) : isSeen ? null : (before?.silentSince ?? null);
  const keepsAgent = !isSeen && before !== undefined && before.agent.kind !== 'unseen';
  return {
    ...host,
    agent: keepsAgent ? before.agent : host.agent,
    agentSeenAt: isSeen ? at : (before?.agentSeenAt ?? 0),
    silentSince,
    firstSeenAt: before?.firstSeenAt ?? at,
    lastSeenAt: at,
    goneAt: null,
  };
}

/**
 * What a listing, and what looking brought, changes in the record: no entry when nothing does. `unknownZones` as the
 * inventory names them.
 */
export function changesSince(
  record: FleetRecord,
  seenNow: readonly SeenHost[],
  unknownZones: readonly string[],
): FleetSeen[] {
  const unknown = new Set(unknownZones);
  const present = new Set(seenNow.map((host) => host.id));
  const seen = seenNow.filter((host) => isNews(host, record.hosts.get(host.id)));
  const gone: HostId[] = [];
  for (const [id, host] of record.hosts) {
    // F1.
    if (host.goneAt === null && !present.has(id) && !isUnknownPlace(host, unknown)) gone.push(id);
  }
  const isElsewhereUnknown =
    unknown.size !== record.unknownZones.length || record.unknownZones.some((zone) => !unknown.has(zone));
  const isFirst = record.at === 0;
  if (seen.length === 0 && gone.length === 0 && !isElsewhereUnknown && !isFirst) return [];
  return inEntries(seen, gone, unknownZones);
}

/** Also when nothing has changed: says that the fleet was listed then and was as it is known to be. */
export function seenUnchanged(unknownZones: readonly string[]): FleetSeen {
  return { kind: 'fleet-seen', seen: [], gone: [], unknownZones };
}

function inEntries(
  seen: readonly SeenHost[],
  gone: readonly HostId[],
  unknownZones: readonly string[],
): FleetSeen[] {
  const entries: FleetSeen[] = [];
  // Who is gone first: an address that was used again must not seem to have two owners.
  for (let at = 0; at < gone.length; at += HOSTS_AN_ENTRY)
    entries.push({ ...seenUnchanged(unknownZones), gone: gone.slice(at, at + HOSTS_AN_ENTRY) });
  for (let at = 0; at < seen.length; at += HOSTS_AN_ENTRY)
    entries.push({ ...seenUnchanged(unknownZones), seen: seen.slice(at, at + HOSTS_AN_ENTRY) });
  return entries.length === 0 ? [seenUnchanged(unknownZones)] : entries;
}

function isNews(host: SeenHost, before: RecordedHost | undefined): boolean {
  if (before === undefined || before.goneAt !== null) return true;
  if (host.agent.kind === 'unseen') {
    if (host.agent.why !== NOT_LOOKED && before.silentSince === null) return true;
  } else if (before.silentSince !== null || !isSame(host.agent, before.agent)) return true;
  return SEEN_FIELDS.some((field) => !isSame(host[field], before[field]));
}

/** All but the agent and the id. */
const SEEN_FIELDS = [
  'name',
  'project',
  'zone',
  'role',
  'machineType',
  'os',
  'status',
  'spot',
  'createdAt',
  'addresses',
  'eligibility',
] as const satisfies readonly Exclude<keyof SeenHost, 'id' | 'agent'>[];

/** Of plain JSON values, in whatever order their keys are: one side may have come out of a journal. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  const left = Object.entries(a).filter(([, value]) => value !== undefined);
  const right = Object.entries(b).filter(([, value]) => value !== undefined);
  if (left.length !== right.length) return false;
  return left.every(
    ([key, value]) => Object.hasOwn(b, key) && isSame(value, (b as Record<string, unknown>)[key]),
  );
}
