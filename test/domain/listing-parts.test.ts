/** A listing that takes several entries counts when all of them are there, wherever somebody was killed. */
import { describe, expect, it } from 'vitest';
import { whoHad } from '../../src/domain/address-history.ts';
import { changesSince, type FleetSeen, foldFleet, seenUnchanged } from '../../src/domain/fleet-changes.ts';
import type { SeenHost } from '../../src/domain/fleet-record.ts';
import type { Entry, EntryBody } from '../../src/domain/journal.ts';
import { asListing, nextListing } from '../../src/domain/listing-parts.ts';
import { recordedUntil } from '../../src/domain/recorded-until.ts';
import { uncoveredSince } from '../../src/domain/uncovered-since.ts';
import { chainOf, draft } from '../fakes/journal-entries.ts';

function vm(id: string, more: Partial<SeenHost> = {}): SeenHost {
  return {
    id,
    name: `h${id}`,
    zone: 'z1',
    role: 'web',
    machineType: 'n1',
    os: 'debian-12',
    status: 'RUNNING',
    spot: false,
    addresses: [`10.0.0.${id}`],
    eligibility: { kind: 'eligible' },
    agent: { kind: 'absent' },
    ...more,
  };
}

const seen = (ids: string, more: Partial<FleetSeen> = {}): FleetSeen => ({
  ...seenUnchanged([]),
  seen: Array.from(ids).map((id) => vm(id)),
  ...more,
});

/** Entries at 1,000 ms, 2,000 ms and so on. */
const journal = (...bodies: readonly EntryBody[]): Entry[] =>
  chainOf(bodies.map((body, index) => draft(body, { at: (index + 1) * 1_000 })));

const [a1, a2, a3] = asListing([seen('1'), seen('2'), seen('3')], 'a') as [FleetSeen, FleetSeen, FleetSeen];
const [b1, b2] = asListing([seen('', { gone: ['1'] }), seen('4')], 'b') as [FleetSeen, FleetSeen];
const known = (...bodies: readonly EntryBody[]) => {
  const { hosts, at } = foldFleet(journal(...bodies));
  return [[...hosts].map(([id, { goneAt }]) => (goneAt === null ? id : `${id} gone`)).join(' '), at];
};

describe('the record of the fleet', () => {
  it('is whole at the last part of a listing, and before that as it was', () => {
    expect(known(a1)).toEqual(['', 0]);
    expect(known(a1, a2)).toEqual(['', 0]);
    expect(known(a1, a2, a3)).toEqual(['1 2 3', 3_000]);
    expect(known(a1, a2, a3, b1)).toEqual(['1 2 3', 3_000]);
    expect(known(a1, a2, a3, b1, b2)).toEqual(['1 gone 2 3 4', 5_000]);
  });

  it('a listing that was cut off is told again by the next one', () => {
    const cut = journal(a1, a2);
    const again = changesSince(foldFleet(cut), [vm('1'), vm('2'), vm('3')], []);
    expect(again.map((body) => body.seen.length)).toEqual([3]);
    expect(known(a1, a2, ...again)).toEqual(['1 2 3', 3_000]);
  });

  it('two listings may lie between one another, and other entries too', () => {
    expect(known(a1, b1, a2, { kind: 'pause-requested' }, a3, b2)).toEqual(['1 gone 2 3 4', 6_000]);
  });

  it('older journals, whose entries have no parts, are read as they are', () => {
    expect(known(seen('1'), seen('2'))).toEqual(['1 2', 2_000]);
  });

  it('one entry alone has no parts', () => {
    expect(asListing([seen('1')], 'x')).toEqual([seen('1')]);
    expect(asListing([], 'x')).toEqual([]);
  });
});

it('since when a VM is without begins with a whole listing', () => {
  expect([...uncoveredSince(journal(a1, a2))]).toEqual([]);
  expect([...uncoveredSince(journal(a1, a2, a3))]).toEqual([
    ['1', 3_000],
    ['2', 3_000],
    ['3', 3_000],
  ]);
});

describe('who had an address', () => {
  const ask = (entries: readonly Entry[], at: number, address = '10.0.0.1') => {
    const { entries: until } = recordedUntil(entries, at);
    return whoHad(address, until, entries.slice(until.length));
  };
  const entries = journal(a1, a2, a3, b1, b2);

  it('is not known in the middle of the first listing; the first is the one that is whole', () => {
    expect(ask(entries, 2_500)).toEqual({ kind: 'no-record', first: 3_000 });
    expect(ask(journal(a1, a2), 9_000)).toEqual({ kind: 'no-record', first: null });
  });

  it('between the parts of the next listing is as the one before it had it', () => {
    expect(ask(entries, 4_500)).toMatchObject({
      listedAt: 3_000,
      nextAt: 5_000,
      holders: [{ host: { id: '1' }, from: 3_000, endedBy: 5_000, end: 'gone' }],
      changedTo: [],
    });
    expect(ask(entries, 5_000)).toMatchObject({ listedAt: 5_000, nextAt: null, holders: [] });
  });
});

it('the next listing is found where it became whole, also when it began before', () => {
  const entries = journal(a1, { kind: 'pause-requested' }, a2, a3);
  expect(nextListing(entries.slice(0, 1), entries.slice(1))).toMatchObject({
    index: 2,
    entry: { at: 4_000 },
  });
  expect(nextListing([], entries.slice(1))).toBeNull();
});
