import { describe, expect, it } from 'vitest';
import {
  changesSince,
  FleetFold,
  type FleetRecord,
  type FleetSeen,
  foldFleet,
  HOSTS_AN_ENTRY,
  NOT_LOOKED,
  seenUnchanged,
} from '../../src/domain/fleet-changes.ts';
import type { AgentSeen, SeenHost } from '../../src/domain/fleet-record.ts';
import type { AnsweredHost, Entry, EntryBody } from '../../src/domain/journal.ts';
import type { AnsweredAction } from '../../src/domain/lifecycle.ts';
import { recordedUntil } from '../../src/domain/recorded-until.ts';
import { isUnknownPlace } from '../../src/domain/unknown-zones.ts';
import { chainOf, draft } from '../fakes/journal-entries.ts';

const runs = (packageVersion: string): AgentSeen => ({
  kind: 'installed',
  packageVersion,
  service: 'active',
  runningSha256: packageVersion.padEnd(64, '0'),
  hold: '',
});
const notLooked: AgentSeen = { kind: 'unseen', why: NOT_LOOKED };
const silent: AgentSeen = { kind: 'unseen', why: 'unreachable: connect timed out' };

function seen(id: string, more: Partial<SeenHost> = {}): SeenHost {
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
    agent: runs('1'),
    ...more,
  };
}

/** Entries at 1,000 ms, 2,000 ms and so on. */
function journal(...bodies: EntryBody[]): Entry[] {
  return chainOf(bodies.map((body, index) => draft(body, { at: (index + 1) * 1_000 })));
}

const fleetSeen = (hosts: readonly SeenHost[], more: Partial<FleetSeen> = {}): FleetSeen => ({
  ...seenUnchanged([]),
  seen: hosts,
  ...more,
});

const verified = (id: string, version: string): EntryBody => {
  const sha256 = version.padEnd(64, '0');
  const answered: AnsweredHost = {
    id,
    outcome: { kind: 'verified', sha256, packageVersion: version, service: 'running' },
    tookMs: 1,
  };
  return { kind: 'hosts-answered', action: 'upgrade', hosts: [answered] };
};

/** What a fold of what `changesSince` says knows. */
function after(record: Entry[], now: readonly SeenHost[], unknownZones: readonly string[] = []): FleetRecord {
  const changes = changesSince(foldFleet(record), now, unknownZones);
  return foldFleet(journal(...record.map(({ body }) => body), ...changes));
}

describe('the record at a time', () => {
  const entries = journal(
    fleetSeen([seen('1'), seen('2')]),
    verified('1', '2'),
    fleetSeen([seen('1', { addresses: ['10.9.9.9'], agent: notLooked })], { gone: ['2'] }),
  );

  it('is nothing before anybody looked', () => {
    expect(foldFleet(recordedUntil(entries, 999).entries)).toEqual({
      hosts: new Map(),
      unknownZones: [],
      at: 0,
    });
  });

  it('is what was known then: the agent as it was proven, the address as it was seen', () => {
    const versions = [1_000, 2_000, 3_000].map((at) => {
      const host = foldFleet(recordedUntil(entries, at).entries).hosts.get('1');
      return [host?.agent.kind === 'installed' && host.agent.packageVersion, host?.addresses[0]];
    });
    expect(versions).toEqual([
      ['1', '10.0.0.1'],
      ['2', '10.0.0.1'],
      ['2', '10.9.9.9'],
    ]);
  });

  it('says when a host was first and last seen, and since when it is gone', () => {
    const { hosts } = foldFleet(entries);
    expect(hosts.get('1')).toMatchObject({ firstSeenAt: 1_000, lastSeenAt: 3_000, goneAt: null });
    expect(hosts.get('2')).toMatchObject({ firstSeenAt: 1_000, lastSeenAt: 1_000, goneAt: 3_000 });
  });

  it('counts a host as seen by every listing that does not miss it, but for one that could not list its zone', () => {
    const listed = journal(
      fleetSeen([seen('1'), seen('2', { zone: 'z2' })]),
      seenUnchanged([]),
      seenUnchanged(['z2']),
      seenUnchanged(['z2']),
    );
    const { hosts, unknownZones, at } = foldFleet(listed);
    expect([hosts.get('1')?.lastSeenAt, hosts.get('2')?.lastSeenAt]).toEqual([4_000, 2_000]);
    expect([unknownZones, at]).toEqual([['z2'], 4_000]);
  });

  it('is the same entry by entry', () => {
    const fold = new FleetFold();
    for (const entry of entries) fold.apply(entry);
    const before = fold.record();
    expect(before).toEqual(foldFleet(entries));
    fold.apply({ at: 4_000, body: seenUnchanged([]) });
    expect(before.hosts.get('1')?.lastSeenAt).toBe(3_000);
  });
});

describe('what a listing adds', () => {
  const known = journal(fleetSeen([seen('1'), seen('2')]));

  it('is everything the first time, also when there is nobody', () => {
    const nothing = foldFleet([]);
    expect(changesSince(nothing, [seen('1')], [])).toEqual([fleetSeen([seen('1')])]);
    expect(changesSince(nothing, [], [])).toEqual([seenUnchanged([])]);
  });

  it('is nothing when nothing changed, in whatever order the fields come', () => {
    const turned = Object.fromEntries(Object.entries(seen('1')).reverse()) as unknown as SeenHost;
    expect(changesSince(foldFleet(known), [seen('2'), turned], [])).toEqual([]);
  });

  it.each<[string, Partial<SeenHost>]>([
    ['a name', { name: 'x' }],
    ['an address', { addresses: ['10.0.0.9'] }],
    ['a status', { status: 'TERMINATED' }],
    ['the eligibility', { eligibility: { kind: 'undecided', evidence: 'x' } }],
    ['the agent', { agent: runs('2') }],
    ['an agent that is no longer there', { agent: { kind: 'absent' } }],
    ['the project', { project: 'p' }],
  ])('is a host of which changed %s', (_what, change) => {
    const now = seen('1', change);
    expect(changesSince(foldFleet(known), [now, seen('2')], [])).toEqual([fleetSeen([now])]);
    expect(after(known, [now, seen('2')]).hosts.get('1')).toMatchObject(change);
  });

  it('is who is gone, unless its zone, its project or everything could not be listed', () => {
    const gone = (unknownZones: readonly string[]) =>
      changesSince(foldFleet(known), [seen('1')], unknownZones).flatMap((entry) => entry.gone);
    expect(gone([])).toEqual(['2']);
    expect(gone(['z2'])).toEqual(['2']);
    for (const zone of ['z1', 'p/z1', 'p/*', '*']) expect(gone([zone])).toEqual([]);
  });

  it('is that a zone is unknown, and that it is known again', () => {
    const unknown = changesSince(foldFleet(known), [], ['z1']);
    expect(unknown).toEqual([seenUnchanged(['z1'])]);
    const again = journal(...known.map(({ body }) => body), ...unknown);
    expect(changesSince(foldFleet(again), [seen('1'), seen('2')], [])).toEqual([seenUnchanged([])]);
  });

  it('never takes back what a look has brought because nobody looked, or because the host is silent', () => {
    expect(changesSince(foldFleet(known), [seen('1', { agent: notLooked }), seen('2')], [])).toEqual([]);
    const quiet = after(known, [seen('1', { agent: silent }), seen('2')]).hosts.get('1');
    expect(quiet).toMatchObject({ agent: runs('1'), agentSeenAt: 1_000, silentSince: 2_000 });
  });

  it('says once that a host is silent, and that it answers again', () => {
    const quiet = journal(...known.map(({ body }) => body), fleetSeen([seen('1', { agent: silent })]));
    expect(changesSince(foldFleet(quiet), [seen('1', { agent: silent }), seen('2')], [])).toEqual([]);
    expect(after(quiet, [seen('1'), seen('2')]).hosts.get('1')).toMatchObject({
      silentSince: null,
      agentSeenAt: 3_000,
    });
  });

  it('is a host that was gone and is back', () => {
    const left = journal(...known.map(({ body }) => body), fleetSeen([], { gone: ['2'] }));
    expect(changesSince(foldFleet(left), [seen('1')], [])).toEqual([]);
    expect(after(left, [seen('1'), seen('2')]).hosts.get('2')).toMatchObject({
      goneAt: null,
      firstSeenAt: 1_000,
    });
  });

  it('of a VM made anew under its old name and address is another host', () => {
    const { hosts } = after(known, [seen('1'), seen('3', { name: 'h2', addresses: ['10.0.0.2'] })]);
    expect(hosts.get('2')?.goneAt).toBe(2_000);
    expect(hosts.get('3')).toMatchObject({ name: 'h2', firstSeenAt: 3_000, goneAt: null });
  });

  it('comes in entries of a size, who is gone before who has come', () => {
    const many = Array.from({ length: HOSTS_AN_ENTRY + 1 }, (_, index) => seen(`${index + 10}`));
    const changes = changesSince(foldFleet(known), many, []);
    expect(changes.map((entry) => [entry.gone.length, entry.seen.length])).toEqual([
      [2, 0],
      [0, HOSTS_AN_ENTRY],
      [0, 1],
    ]);
  });
});

describe('what could not be listed', () => {
  const host = { zone: 'us-east1-b', project: 'prod' };

  it.each<[string, boolean]>([
    ['us-east1-b', true],
    ['prod/us-east1-b', true],
    ['prod/*', true],
    ['*', true],
    ['us-east1-c', false],
    ['other/us-east1-b', false],
    ['other/*', false],
    ['prod', false],
  ])('%s: the host may be there: %s', (place, may) => {
    expect(isUnknownPlace(host, new Set([place]))).toBe(may);
  });

  it('of any project may be the zone of a host whose project nobody knows', () => {
    const { zone } = host;
    expect(
      ['x/us-east1-b', 'x/*', 'x/us-east1-c'].map((place) => isUnknownPlace({ zone }, new Set([place]))),
    ).toEqual([true, true, false]);
  });
});

describe('what a lifecycle action proved', () => {
  const acted = (
    outcome: Partial<Extract<AnsweredAction['outcome'], { kind: 'proven' }>>,
    happenedAt: number,
  ): EntryBody => ({
    kind: 'lifecycle-answered',
    actionId: 'stop-1',
    part: happenedAt,
    happenedAt,
    verb: 'stop',
    now: false,
    hosts: [
      {
        id: '1',
        name: 'h1',
        tookMs: 1,
        outcome: { kind: 'proven', service: 'stopped', version: '1', held: true, notes: [], ...outcome },
      },
    ],
  });
  const known = (...bodies: EntryBody[]) => {
    const host = foldFleet(journal(...bodies)).hosts.get('1');
    return [host?.agent, host?.agentSeenAt];
  };
  const isDown = { ...runs('1'), service: 'inactive', runningSha256: '', hold: 'rollout hold' };

  it('is what is there from then on: stopped and held, started again, gone', () => {
    const listed = fleetSeen([seen('1')]);
    const stop = acted({}, 1_500);
    expect(known(listed, stop)).toEqual([isDown, 1_500]);
    expect(known(listed, stop, acted({ service: 'running', held: false }, 2_500))).toEqual([
      runs('1'),
      2_500,
    ]);
    expect(known(listed, stop, acted({ service: 'absent', held: false, version: '' }, 2_500))).toEqual([
      { kind: 'absent' },
      2_500,
    ]);
    expect(known(listed, acted({ version: '' }, 1_500))).toEqual([isDown, 1_500]);
  });

  it('says nothing of what came after it, nor of a host that nobody has listed', () => {
    expect(known(fleetSeen([seen('1')]), acted({}, 900))).toEqual([runs('1'), 1_000]);
    expect(known(acted({}, 900))).toEqual([undefined, undefined]);
  });

  it('a version that a rollout brought while it was held is what runs once it is started', () => {
    const outcome = { kind: 'verified', sha256: 'x2', packageVersion: '2', service: 'left-stopped' } as const;
    const brought: EntryBody = {
      kind: 'hosts-answered',
      action: 'upgrade',
      hosts: [{ id: '1', outcome, tookMs: 1 }],
    };
    const started = acted({ service: 'running', held: false, version: '2' }, 9_000);
    expect(known(fleetSeen([seen('1')]), acted({}, 1_500), brought, started)).toEqual([
      { kind: 'installed', packageVersion: '2', service: 'active', runningSha256: 'x2', hold: '' },
      expect.any(Number),
    ]);
  });

  it('a version that nobody has seen run there is not taken for running by word alone', () => {
    const absent = fleetSeen([seen('1', { agent: { kind: 'absent' } })]);
    expect(known(absent, acted({ service: 'running', held: false, version: '2' }, 1_500))).toEqual([
      { kind: 'absent' },
      1_000,
    ]);
  });
});
