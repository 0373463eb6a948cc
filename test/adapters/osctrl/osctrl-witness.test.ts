import { afterEach, describe, expect, it } from 'vitest';
import { osctrlWitness } from '../../../src/adapters/osctrl/osctrl-witness.ts';
import type { OsctrlSettings } from '../../../src/domain/witness.ts';
import { manualClock } from '../../fakes/manual-clock.ts';
import { type FakeOsctrl, startOsctrl } from '../../fakes/osctrl.ts';
import {
  bearer,
  behavesOnBadDays,
  failureOf,
  host,
  NOW,
  newest,
  numbers,
  question,
  secrets,
  TOKEN,
} from '../witness-rig.ts';

const open: FakeOsctrl[] = [];
afterEach(async () => {
  for (const fake of open.splice(0)) await fake.close();
});

async function setup(more: Partial<OsctrlSettings> = {}) {
  const fake = await startOsctrl(TOKEN);
  open.push(fake);
  const settings: OsctrlSettings = {
    kind: 'osctrl',
    url: fake.url,
    auth: bearer,
    timeoutMs: 5_000,
    environment: 'prod',
    match: 'hostname',
    hostValue: '{name}',
    measure: 'last-seen',
    ...more,
  };
  const clock = manualClock({ start: NOW, autoAdvance: true });
  return { fake, witness: osctrlWitness({ settings, name: 'w', secrets, clock }) };
}

describe('osctrl on a bad day', () => {
  behavesOnBadDays(async (timeoutMs) => {
    const { fake, witness } = await setup({ timeoutMs });
    fake.nodes = [{ hostname: 'web-01', lastSeen: NOW }];
    return { backend: fake, witness, question: question([host('web-01')]) };
  });

  it('another page than the one asked for is no answer', async () => {
    const { fake, witness } = await setup();
    const body = { items: [], page: 7, page_size: 500, total_items: 0, total_pages: 1 };
    fake.moods = [{ kind: 'says', body }];
    const error = await failureOf(witness, question([host('web-01')]));
    expect(error.message).toContain('page 1 was asked for, and 7 came');
  });

  it('a slow list ends within the time for all of it', async () => {
    const { fake, witness } = await setup({ timeoutMs: 300 });
    fake.nodes = Array.from({ length: 1_200 }, (_, index) => ({ hostname: `h${index}`, lastSeen: NOW }));
    fake.moods = [{ kind: 'well' }, { kind: 'silent' }];
    expect((await failureOf(witness, question([host('h1')]))).message).toContain('within 300 ms');
  });

  it('an environment that it does not know is said in its words', async () => {
    const { witness } = await setup({ environment: 'pord' });
    expect((await failureOf(witness, question([host('web-01')]))).message).toMatch(
      /nodes\/pord: HTTP 404: environment not found$/,
    );
  });

  it('one that hears nobody at all says nothing about anybody', async () => {
    const { fake, witness } = await setup();
    fake.nodes = [
      { hostname: 'web-01', lastSeen: NOW - 700_000 },
      { hostname: 'stranger', lastSeen: NOW - 190_000 },
    ];
    const { warnings } = await numbers(witness, question([host('web-01')]));
    expect(warnings).toEqual([
      'nobody at all was heard for 3m: it may hear nobody, so that the silence of one says nothing',
    ]);
  });

  it('its clock ahead of ours is no age, and said', async () => {
    const { fake, witness } = await setup();
    fake.now = NOW + 240_000;
    fake.nodes = [{ hostname: 'web-01', lastSeen: NOW + 239_000 }];
    const { warnings } = await numbers(witness, question([host('web-01')]));
    expect(warnings[0]).toBe(
      "its clock is 4m ahead of this machine's: how long ago a host was heard cannot be told (mend: timedatectl set-ntp true)",
    );
  });
});

describe('osctrl', () => {
  it('gives the seconds since a host was heard, counted from its change on', async () => {
    const { fake, witness } = await setup();
    fake.nodes = [
      { hostname: 'well', lastSeen: NOW - 30_000 },
      { hostname: 'silent-since', lastSeen: NOW - 700_000 },
      { hostname: 'never', lastSeen: null },
      { hostname: 'stranger', lastSeen: NOW },
    ];
    const hosts = ['well', 'silent-since', 'never', 'unknown'].map((name) => host(name));
    const answer = await numbers(witness, question(hosts));
    expect(newest(answer)).toEqual({ well: 30, 'silent-since': 600, never: 600 });
    expect(answer).toMatchObject({ ambiguous: [], warnings: [] });
    expect(answer.byHost.get('id-well')?.map(({ value }) => value)).toEqual([0, 0, 30]);
  });

  it('says nothing of the time before the change', async () => {
    const { fake, witness } = await setup();
    fake.nodes = [{ hostname: 'web-01', lastSeen: NOW - 1_000 }];
    const { byHost } = await numbers(witness, question([host('web-01', NOW - 90_000)]));
    expect(byHost.get('id-web-01')?.map(({ at }) => at)).toEqual([NOW - 60_000, NOW]);
  });

  it('matches names literally: no part, no other case, no pattern', async () => {
    const { fake, witness } = await setup();
    fake.nodes = ['web-011', 'WEB-01', 'web.01', 'eb-01'].map((hostname) => ({ hostname, lastSeen: NOW }));
    const { byHost } = await numbers(witness, question([host('web-01'), host('web.*')]));
    expect(byHost.size).toBe(0);
  });

  it('asks as osctrl-api wants it', async () => {
    const { fake, witness } = await setup({ hostValue: '{name}.c.prod.internal', match: 'localname' });
    fake.nodes = [{ hostname: 'x', localname: 'web-01.c.prod.internal', lastSeen: NOW }];
    expect(newest(await numbers(witness, question([host('web-01')])))).toEqual({ 'web-01': 0 });
    expect(fake.asked.map(({ method, url }) => `${method} ${url.pathname}${url.search}`)).toEqual([
      'GET /api/v1/nodes/prod?page=1&page_size=500&sort=firstseen&dir=asc',
    ]);
  });

  it('is asked for the whole list where it has no pages yet', async () => {
    const { fake, witness } = await setup();
    fake.old = true;
    fake.nodes = [{ hostname: 'web-01', lastSeen: NOW - 5_000 }];
    expect(newest(await numbers(witness, question([host('web-01')])))).toEqual({ 'web-01': 5 });
    fake.nodes = [];
    expect((await numbers(witness, question([host('web-01')]))).byHost.size).toBe(0);
  });

  it('an empty list is no data, and no warning', async () => {
    const { witness } = await setup();
    expect(await numbers(witness, question([host('web-01')]))).toEqual({
      kind: 'by-host',
      byHost: new Map(),
      ambiguous: [],
      warnings: [],
    });
  });

  it('a host that enrolled anew has two nodes: the one that is heard counts', async () => {
    const { fake, witness } = await setup();
    fake.nodes = [
      { hostname: 'web-01', uuid: 'old', lastSeen: NOW - 400_000 },
      { hostname: 'web-01', uuid: 'new', createdAt: NOW - 390_000, lastSeen: NOW - 20_000 },
    ];
    expect(newest(await numbers(witness, question([host('web-01')])))).toEqual({ 'web-01': 20 });
  });

  it('two machines that go by one name at the same time are ambiguous, and so are two VMs', async () => {
    const { fake, witness } = await setup();
    fake.nodes = [
      { hostname: 'web-01', uuid: 'a', lastSeen: NOW - 50_000 },
      { hostname: 'web-01', uuid: 'b', lastSeen: NOW - 20_000 },
      { hostname: 'web-02', lastSeen: NOW },
    ];
    const twins = [host('web-01'), host('web-02', NOW, { id: 'x' }), host('web-02', NOW, { id: 'y' })];
    const answer = await numbers(witness, question(twins));
    expect(answer.ambiguous).toEqual(['id-web-01', 'x', 'y']);
    expect(answer.byHost.size).toBe(0);
  });

  it('a list that changed while it was read, so that a host may have been missed, is not whole', async () => {
    const { fake, witness } = await setup();
    const body = { items: [], page: 1, page_size: 500, total_items: 3, total_pages: 1 };
    fake.moods = [{ kind: 'says', body }];
    const { warnings } = await numbers(witness, question([host('web-01')]));
    expect(warnings).toEqual(['the list changed while it was read: 0 of 3 nodes came']);
  });

  it('10,000 nodes are one sweep of 20 pages', async () => {
    const { fake, witness } = await setup({ timeoutMs: 20_000 });
    const names = Array.from({ length: 10_000 }, (_, index) => `h${index}`);
    fake.nodes = names.map((hostname) => ({ hostname, lastSeen: NOW - 10_000 }));
    const began = performance.now();
    const { byHost } = await numbers(witness, question(names.map((name) => host(name))));
    expect(byHost.size).toBe(10_000);
    expect(fake.asked.length).toBe(20);
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});

describe('the version that osctrl reports', () => {
  it('is 1 where it is the expected one, 0 where it is not, nothing where it was not heard since', async () => {
    const { fake, witness } = await setup({ measure: 'version' });
    fake.nodes = [
      { hostname: 'new', lastSeen: NOW - 10_000, version: '5.10.2' },
      { hostname: 'old', lastSeen: NOW - 10_000, version: '5.9.1' },
      { hostname: 'silent', lastSeen: NOW - 700_000, version: '5.10.2' },
      { hostname: 'unchanged', lastSeen: NOW, version: '5.9.1' },
    ];
    const hosts = [host('new'), host('old'), host('silent'), host('unchanged', 0)];
    const answer = await numbers(witness, question(hosts, { version: '5.10.2-1.linux' }));
    expect(newest(answer)).toEqual({ new: 1, old: 0 });
  });
});
