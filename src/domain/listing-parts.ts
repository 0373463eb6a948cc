/**
 * A listing of a large fleet takes several entries. Pure.
 *
 * LP1  It counts when all of its entries are there, and at the last one's place: one that was cut off says nothing, and the next one
 *      tells again what it told.
 * LP2  Entries of two listings may lie between one another. One without parts, such as an older journal's, is whole by itself.
 */
import type { Entry, EntryBody } from './journal.ts';

type FleetSeen = Extract<EntryBody, { kind: 'fleet-seen' }>;

/** Bodies of one listing, each with its part where there are several. `id` tells listings apart. */
export function asListing(bodies: readonly FleetSeen[], id: string): FleetSeen[] {
  if (bodies.length < 2) return [...bodies];
  return bodies.map((body, part) => ({ ...body, listing: { id, part, of: bodies.length } }));
}

/** Takes entries in the journal's order. */
export class ListingParts {
  readonly #open = new Map<string, Map<number, FleetSeen>>();

  /** The listing's parts in their order, once this one makes it whole; null: parts are missing. */
  take(body: FleetSeen): readonly FleetSeen[] | null {
    const { listing } = body;
    if (listing === undefined) return [body];
    const key = `${listing.of} ${listing.id}`;
    const parts = this.#open.get(key) ?? new Map<number, FleetSeen>();
    this.#open.set(key, parts.set(listing.part, body));
    if (parts.size < listing.of) return null;
    this.#open.delete(key);
    return [...parts].sort(([a], [b]) => a - b).map(([, part]) => part);
  }
}

/** The first entry of `after` at which a listing is whole; `until` are the entries before. Null: there is none. */
export function nextListing<One extends Pick<Entry, 'at' | 'body'>>(
  until: readonly Pick<Entry, 'body'>[],
  after: readonly One[],
): { readonly index: number; readonly entry: One } | null {
  const parts = new ListingParts();
  for (const { body } of until) if (body.kind === 'fleet-seen') parts.take(body);
  for (const [index, entry] of after.entries())
    if (entry.body.kind === 'fleet-seen' && parts.take(entry.body) !== null) return { index, entry };
  return null;
}
