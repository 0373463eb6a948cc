/** Who had an address when: nothing is claimed that no listing showed. */
import { describe, expect, it } from 'vitest';
import { type AddressAnswer, whoHad } from '../../src/domain/address-history.ts';
import type { SeenHost } from '../../src/domain/fleet-record.ts';
import type { Entry, EntryBody } from '../../src/domain/journal.ts';
import { recordedUntil } from '../../src/domain/recorded-until.ts';
import { uncoveredSince } from '../../src/domain/uncovered-since.ts';
import { chainOf, draft } from '../fakes/journal-entries.ts';

const IP = '10.0.0.7';

function vm(id: string, addresses: readonly string[] = [IP], more: Partial<SeenHost> = {}): SeenHost {
  return {
    id,
    name: 'web-1',
    zone: 'us-east1-b',
    project: 'prod',
    role: 'web',
    machineType: 'n1',
    os: 'debian-12',
    status: 'RUNNING',
    spot: false,
    addresses,
    eligibility: { kind: 'eligible' },
    agent: { kind: 'absent' },
    ...more,
  };
}

const seen = (
  hosts: readonly SeenHost[],
  gone: readonly string[] = [],
  unknownZones: readonly string[] = [],
): EntryBody => ({ kind: 'fleet-seen', seen: hosts, gone, unknownZones });

const journal = (...entries: readonly (readonly [at: number, body: EntryBody])[]): Entry[] =>
  chainOf(entries.map(([at, body]) => draft(body, { at })));

function ask(entries: readonly Entry[], at: number, address = IP): AddressAnswer {
  const { entries: until } = recordedUntil(entries, at);
  return whoHad(address, until, entries.slice(until.length));
}

const ids = (answer: AddressAnswer): string[] =>
  answer.kind === 'recorded' ? answer.holders.map(({ host }) => host.id) : [];

describe('an address that was used again', () => {
  const reused = journal(
    [100, seen([vm('1')])],
    [200, seen([])],
    [300, seen([vm('2')], ['1'])],
    [400, seen([vm('2', ['10.0.0.8']), vm('3')])],
  );

  it('belongs to the VM that the last listing before the time showed, told apart by id under one name', () => {
    expect(ids(ask(reused, 100))).toEqual(['1']);
    expect(ids(ask(reused, 250))).toEqual(['1']);
    expect(ids(ask(reused, 300))).toEqual(['2']);
    expect(ids(ask(reused, 9_999))).toEqual(['3']);
  });

  it('may have changed hands between two listings, which is said', () => {
    const answer = ask(reused, 250);
    expect(answer).toMatchObject({
      listedAt: 200,
      nextAt: 300,
      holders: [{ host: { id: '1' }, from: 100, lastSeenAt: 200, endedBy: 300, end: 'gone' }],
      changedTo: [{ host: { id: '2' } }],
    });
    expect(answer.kind === 'recorded' ? answer.others.map(({ host }) => host.id) : []).toEqual(['2', '3']);
    expect(ask(reused, 150)).toMatchObject({ listedAt: 100, nextAt: 200, changedTo: null });
    expect(ask(reused, 450)).toMatchObject({ listedAt: 400, nextAt: null, changedTo: null });
  });

  it('tells how a having ended: the VM went, or has another address', () => {
    const answer = ask(reused, 450);
    expect(answer.kind === 'recorded' ? answer.others.map(({ end, endedBy }) => [end, endedBy]) : []).toEqual(
      [
        ['gone', 300],
        ['other-address', 400],
      ],
    );
  });

  it('by the same VM twice is two times of having it', () => {
    const twice = journal(
      [100, seen([vm('1')])],
      [200, seen([vm('1', ['10.0.0.9'])])],
      [300, seen([vm('1')])],
    );
    expect(ask(twice, 350)).toMatchObject({
      holders: [{ from: 300, endedBy: null }],
      others: [{ from: 100, lastSeenAt: 100, endedBy: 200 }],
    });
    expect(ids(ask(twice, 250))).toEqual([]);
  });
});

it('two VMs of different networks may have it at once', () => {
  expect(ids(ask(journal([100, seen([vm('1'), vm('2')])]), 100))).toEqual(['1', '2']);
});

it('before the first listing nothing is known, and the first one is named', () => {
  const entries = journal([50, { kind: 'wave-started', wave: 0 }], [100, seen([vm('1')])]);
  expect(ask(entries, 60)).toEqual({ kind: 'no-record', first: 100 });
  expect(ask([], 60)).toEqual({ kind: 'no-record', first: null });
});

it('a VM in a zone that could not be listed is not gone: it was last seen when the zone was listed', () => {
  const entries = journal([100, seen([vm('1')])], [200, seen([], [], ['prod/us-east1-b'])]);
  expect(ask(entries, 250)).toMatchObject({
    holders: [{ from: 100, lastSeenAt: 100, endedBy: null }],
    unknownZones: ['prod/us-east1-b'],
  });
});

it('a rollout that finds a VM gone ends its having', () => {
  const gone: EntryBody = {
    kind: 'hosts-answered',
    action: 'upgrade',
    hosts: [{ id: '1', outcome: { kind: 'gone' }, tookMs: 1 }],
  };
  expect(ids(ask(journal([100, seen([vm('1')])], [150, gone]), 160))).toEqual([]);
});

it('a large listing of several entries is one: who is gone in the first may be replaced in the second', () => {
  const entries = journal([100, seen([vm('1')])], [200, seen([], ['1'])], [201, seen([vm('2')])]);
  const answer = ask(entries, 150);
  expect(answer.kind === 'recorded' ? answer.changedTo?.map(({ host }) => host.id) : []).toEqual(['2']);
});

it('case and brackets of an address do not count', () => {
  const entries = journal([100, seen([vm('1', ['2600:1900::AB'])])]);
  expect(ids(ask(entries, 100, '[2600:1900::ab]'))).toEqual(['1']);
});

describe('clocks that disagree', () => {
  const order = (entries: readonly Entry[], at: number) => {
    const { entries: until, clockAhead } = recordedUntil(entries, at);
    return [until.map(({ seq }) => seq), clockAhead];
  };
  const body = seen([]);

  it('an entry counts with all before it, and the clock that was ahead is told', () => {
    const entries = journal([100, body], [900, body], [200, body], [300, body]);
    expect(order(entries, 150)).toEqual([[1], null]);
    expect(order(entries, 250)).toEqual([[1, 2, 3], 900]);
    expect(order(entries, 950)).toEqual([[1, 2, 3, 4], null]);
  });

  it('a clock that was far behind makes nothing known before the first entry', () => {
    const entries = journal([100, body], [1, body], [200, body]);
    expect(order(entries, 50)).toEqual([[], null]);
    expect(order(entries, 150)).toEqual([[1, 2], null]);
  });
});

describe('since when a VM is without', () => {
  const ran = { kind: 'installed', packageVersion: '1', service: 'active', hold: '' } as const;
  const up = vm('1', [], { agent: { ...ran, runningSha256: 'a' } });
  const down = vm('1', [], { agent: { ...ran, runningSha256: '' } });
  const unlooked = vm('1', [], { agent: { kind: 'unseen', why: 'nobody looked' } });
  const silent = vm('1', [], { agent: { kind: 'unseen', why: 'timed out' } });

  it.each([
    ['stopped, seen again and again: since the first', [down, down], 100],
    ['stopped, then silent: since it was stopped', [down, silent], 100],
    ['running, then stopped', [up, down], 200],
    ['stopped, then running', [down, up], undefined],
    ['running, and nobody looked since', [up, unlooked], undefined],
    ['stopped, and nobody looked since', [down, unlooked], 100],
    ['new, and nobody looked', [unlooked, unlooked], 100],
    ['stopped, exempt for a while, stopped', [down, { ...down, eligibility: exempt() }, down], 300],
  ] as [string, SeenHost[], number | undefined][])('%s', (_what, hosts, at) => {
    const entries = journal(...hosts.map((host, index) => [(index + 1) * 100, seen([host])] as const));
    expect(uncoveredSince(entries).get('1')).toBe(at);
  });

  it('ends with a proof, begins with one that left it stopped, and is over when the VM is gone', () => {
    const answered = (service: 'running' | 'left-stopped'): EntryBody => ({
      kind: 'hosts-answered',
      action: 'upgrade',
      hosts: [
        { id: '1', outcome: { kind: 'verified', sha256: 'a', packageVersion: '1', service }, tookMs: 1 },
      ],
    });
    const first = [100, seen([down])] as const;
    expect(uncoveredSince(journal(first, [200, answered('running')])).size).toBe(0);
    expect(
      uncoveredSince(journal(first, [200, answered('running')], [300, answered('left-stopped')])).get('1'),
    ).toBe(300);
    expect(uncoveredSince(journal(first, [200, seen([], ['1'])])).size).toBe(0);
  });
});

function exempt(): SeenHost['eligibility'] {
  return { kind: 'exempt', rule: 'exempt[0]', reason: 'why', evidence: 'role="web"' };
}

describe('since when a VM is without, by what lifecycle actions proved', () => {
  const acted = (service: 'stopped' | 'running', happenedAt: number): EntryBody => ({
    kind: 'lifecycle-answered',
    actionId: 'stop-1',
    part: happenedAt,
    happenedAt,
    verb: 'stop',
    now: false,
    hosts: [
      {
        id: '1',
        name: 'web-1',
        tookMs: 1,
        outcome: { kind: 'proven', service, version: '1', held: service === 'stopped', notes: [] },
      },
    ],
  });
  const runs: SeenHost['agent'] = {
    kind: 'installed',
    packageVersion: '1',
    service: 'active',
    runningSha256: 'a'.repeat(64),
    hold: '',
  };
  const listed = seen([vm('1', [IP], { agent: runs })]);

  it('begins when the stop happened, and ends with a proven start', () => {
    expect([...uncoveredSince(journal([100, listed], [300, acted('stopped', 200)]))]).toEqual([['1', 200]]);
    expect([
      ...uncoveredSince(journal([100, listed], [200, acted('stopped', 200)], [300, acted('running', 300)])),
    ]).toEqual([]);
  });

  it('is not begun by a stop that came late, from before the VM was seen to run', () => {
    expect([...uncoveredSince(journal([100, listed], [300, acted('stopped', 50)]))]).toEqual([]);
  });

  it('is nothing of a VM that need not have the agent, or that nobody has listed', () => {
    expect([...uncoveredSince(journal([300, acted('stopped', 200)]))]).toEqual([]);
  });
});
