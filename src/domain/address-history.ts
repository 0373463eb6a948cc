/**
 * Which VM had an address when, as the journal's record of the fleet tells. Pure.
 *
 * AH1  An address is used again: whoever had it is told apart by instance id, and every time of having it is its own.
 * AH2  Only what a listing showed is claimed. Between two listings nobody looked: where they differ, the address changed hands
 *      at some time between them.
 */
import { HOSTS_AN_ENTRY } from './fleet-changes.ts';
import type { SeenHost } from './fleet-record.ts';
import type { HostId } from './host.ts';
import type { Entry } from './journal.ts';
import { ListingParts, nextListing } from './listing-parts.ts';
import { isUnknownPlace } from './unknown-zones.ts';

/** One VM's having of the address, without a break that a listing showed. */
export interface Tenancy {
  /** As it was listed last while it had the address. */
  readonly host: SeenHost;
  /** First and last listing that showed it so, ms since the epoch. */
  readonly from: number;
  readonly lastSeenAt: number;
  /** The listing that showed it without, ms; null: none yet. */
  readonly endedBy: number | null;
  readonly end: 'gone' | 'other-address' | null;
}

export interface AddressHistory {
  /** In the order in which they began. */
  readonly tenancies: readonly Tenancy[];
  /** The last listing, ms since the epoch; 0: none. */
  readonly at: number;
  /** What that listing could not list. */
  readonly unknownZones: readonly string[];
}

/** The form in which addresses are compared: case and brackets do not count. */
export function sameForm(address: string): string {
  return address
    .trim()
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1');
}

export function addressHistory(entries: readonly Entry[], address: string): AddressHistory {
  const wanted = sameForm(address);
  const open = new Map<HostId, Tenancy>();
  const all: Tenancy[] = [];
  const parts = new ListingParts();
  let at = 0;
  let unknownZones: readonly string[] = [];
  for (const entry of entries) {
    const { body } = entry;
    if (body.kind !== 'fleet-seen' && body.kind !== 'hosts-answered') continue;
    const close = (id: HostId, end: 'gone' | 'other-address'): void => {
      const tenancy = open.get(id);
      if (tenancy === undefined) return;
      replace(all, tenancy, { ...tenancy, endedBy: entry.at, end });
      open.delete(id);
    };
    if (body.kind === 'hosts-answered') {
      for (const { id, outcome } of body.hosts) if (outcome.kind === 'gone') close(id, 'gone');
      continue;
    }
    const listing = parts.take(body);
    if (listing === null) continue;
    at = entry.at;
    unknownZones = body.unknownZones;
    for (const id of listing.flatMap(({ gone }) => gone)) close(id, 'gone');
    const listed = listing.flatMap(({ seen }) => seen);
    const has = listed.filter(({ addresses }) => addresses.some((one) => sameForm(one) === wanted));
    const hasNow = new Set(has.map(({ id }) => id));
    for (const { id } of listed) if (!hasNow.has(id)) close(id, 'other-address');
    for (const host of has) {
      const before = open.get(host.id);
      const tenancy: Tenancy =
        before === undefined
          ? { host, from: at, lastSeenAt: at, endedBy: null, end: null }
          : { ...before, host };
      if (before === undefined) all.push(tenancy);
      else replace(all, before, tenancy);
      open.set(host.id, tenancy);
    }
    const unknown = new Set(unknownZones);
    for (const [id, tenancy] of open) {
      // Not named as changed or gone: it was listed as it was before, unless its place could not be listed.
      if (!hasNow.has(id) && isUnknownPlace(tenancy.host, unknown)) continue;
      const seen = { ...tenancy, lastSeenAt: Math.max(tenancy.lastSeenAt, at) };
      replace(all, tenancy, seen);
      open.set(id, seen);
    }
  }
  return { tenancies: all, at, unknownZones };
}

function replace(all: Tenancy[], old: Tenancy, by: Tenancy): void {
  const index = all.lastIndexOf(old);
  all[index] = by;
}

/**
 * Where the listing ends that was whole at `index`. Older journals do not number the entries of a large one, which lie one behind
 * the other: they are told by who wrote them, and when.
 */
function endOfListing(entries: readonly Entry[], index: number): number {
  const first = entries[index];
  if (first?.body.kind === 'fleet-seen' && first.body.listing !== undefined) return index + 1;
  let end = index + 1;
  for (; end < entries.length; end += 1) {
    const one = entries[end];
    if (first === undefined || one?.body.kind !== 'fleet-seen' || one.body.listing !== undefined) break;
    if (one.actor.hostname !== first.actor.hostname || one.actor.command !== first.actor.command) break;
    if (Math.abs(one.at - first.at) > LISTING_MS || !goesOn(entries[end - 1], one)) break;
  }
  return end;
}

/** In a listing of several entries those who are gone come first, and every entry but the last of each sort is full. */
function goesOn(before: Entry | undefined, { body }: Entry): boolean {
  if (before?.body.kind !== 'fleet-seen' || body.kind !== 'fleet-seen') return false;
  const isGoneOnly = before.body.gone.length > 0 && before.body.seen.length === 0;
  return isGoneOnly || (before.body.seen.length === HOSTS_AN_ENTRY && body.gone.length === 0);
}

/** Entries of one listing are written within so long, ms. */
const LISTING_MS = 60_000;

export type AddressAnswer =
  /** Nothing was recorded by then. `first`: the first listing after it, ms; null: there is none at all. */
  | { readonly kind: 'no-record'; readonly first: number | null }
  | {
      readonly kind: 'recorded';
      /** Had it at the last listing by then; several where networks use the same addresses. Empty: nobody that was listed. */
      readonly holders: readonly Tenancy[];
      /** The last listing by then, ms, and what it could not list. */
      readonly listedAt: number;
      readonly unknownZones: readonly string[];
      /** The first listing after it, ms; null: none yet. */
      readonly nextAt: number | null;
      /** AH2: who has it differs in that next listing; null: it does not, or there is none. */
      readonly changedTo: readonly Tenancy[] | null;
      /** Everybody else who had it, before and since. */
      readonly others: readonly Tenancy[];
    };

/** `until` and `after`: the entries by the time that is asked about, and those behind them. */
export function whoHad(address: string, until: readonly Entry[], after: readonly Entry[]): AddressAnswer {
  const next = nextListing(until, after);
  const then = addressHistory(until, address);
  if (nextListing([], until) === null) return { kind: 'no-record', first: next?.entry.at ?? null };
  const holders = then.tenancies.filter(({ end }) => end === null);
  const everything = addressHistory([...until, ...after], address);
  const key = ({ host, from }: Tenancy): string => `${host.id} ${from}`;
  const held = new Set(holders.map(key));
  let changedTo: Tenancy[] | null = null;
  if (next !== null) {
    const later = addressHistory([...until, ...after.slice(0, endOfListing(after, next.index))], address);
    const has = later.tenancies.filter(({ end }) => end === null);
    if (has.length !== holders.length || has.some((one) => !held.has(key(one)))) changedTo = has;
  }
  const now = new Map(everything.tenancies.map((one) => [key(one), one]));
  return {
    kind: 'recorded',
    // What they were then, with how long they went on having it.
    holders: holders.map((one) => {
      const whole = now.get(key(one));
      return whole === undefined ? one : { ...whole, host: one.host };
    }),
    listedAt: then.at,
    unknownZones: then.unknownZones,
    nextAt: next?.entry.at ?? null,
    changedTo,
    others: everything.tenancies.filter((one) => !held.has(key(one))),
  };
}
