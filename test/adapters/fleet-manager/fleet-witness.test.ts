import { afterEach, describe, expect, it } from 'vitest';
import { fleetWitness } from '../../../src/adapters/fleet-manager/fleet-witness.ts';
import type { FleetManagerSettings } from '../../../src/domain/witness.ts';
import { type FakeFleetManager, startFleetManager } from '../../fakes/fleet-manager.ts';
import { manualClock } from '../../fakes/manual-clock.ts';
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

const open: FakeFleetManager[] = [];
afterEach(async () => {
  for (const fake of open.splice(0)) await fake.close();
});

async function setup(more: Partial<FleetManagerSettings> = {}) {
  const fake = await startFleetManager(TOKEN);
  open.push(fake);
  const settings: FleetManagerSettings = {
    kind: 'fleet',
    url: fake.url,
    auth: bearer,
    timeoutMs: 5_000,
    match: 'hostname',
    hostValue: '{name}',
    measure: 'last-seen',
    ...more,
  };
  const clock = manualClock({ start: NOW, autoAdvance: true });
  return { fake, witness: fleetWitness({ settings, name: 'w', secrets, clock }) };
}

const heard = (hostname: string, secondsAgo = 0) => ({ hostname, seen: NOW - secondsAgo * 1_000 });

describe('Fleet on a bad day', () => {
  behavesOnBadDays(async (timeoutMs) => {
    const { fake, witness } = await setup({ timeoutMs });
    fake.hosts = [heard('web-01')];
    return { backend: fake, witness, question: question([host('web-01')]) };
  });

  it('a list that repeats itself is given up', async () => {
    const { fake, witness } = await setup();
    const one = { id: 1, hostname: 'x', seen_time: '2026-01-01T00:00:00Z' };
    fake.moods = [{ kind: 'says', body: { hosts: [one] } }];
    const error = await failureOf(witness, question([host('web-01')]));
    expect(error).toMatchObject({
      kind: 'invalid-answer',
      message: expect.stringContaining('repeats itself'),
    });
    expect(fake.asked.length).toBe(2);
  });

  it.each([
    [{ hosts: 'many' }, /hosts is "many"/],
    [{ hosts: [{ hostname: 'x', seen_time: '2026-01-01T00:00:00Z' }] }, /id of a host is missing/],
    [{ hosts: [{ id: 1, seen_time: '2026-01-01T00:00:00Z' }] }, /hostname of host 1 is missing/],
    [{ hosts: [{ id: 1, hostname: 'x', seen_time: 'yesterday' }] }, /seen_time of host 1 is "yesterday"/],
    [{ message: 'odd' }, /hosts is missing/],
  ])('%j is not understood', async (body, words) => {
    const { fake, witness } = await setup();
    fake.moods = [{ kind: 'says', body }];
    expect((await failureOf(witness, question([host('web-01')]))).message).toMatch(words);
  });

  it('refusals are in its words', async () => {
    const { fake, witness } = await setup();
    const body = { message: 'Validation Failed', errors: [{ name: 'team_id', reason: 'no such team' }] };
    fake.moods = [{ kind: 'says', status: 422, body }];
    expect((await failureOf(witness, question([host('web-01')]))).message).toContain(
      'HTTP 422: Validation Failed: no such team',
    );
  });

  it('a host that was heard in the future is named, and its age is not told', async () => {
    const { fake, witness } = await setup();
    fake.hosts = [heard('web-01', -3_600), heard('web-02', 5)];
    const answer = await numbers(witness, question([host('web-01'), host('web-02')]));
    expect(newest(answer)).toEqual({ 'web-02': 5 });
    expect(answer.warnings[0]).toMatch(/^web-01 were heard in the future: look at the clocks/);
  });
});

describe('Fleet', () => {
  it('gives the seconds since a host was heard, counted from its change on', async () => {
    const { fake, witness } = await setup();
    fake.hosts = [heard('well', 12), heard('silent-since', 900)];
    const answer = await numbers(witness, question([host('well'), host('silent-since'), host('renamed')]));
    expect(newest(answer)).toEqual({ well: 12, 'silent-since': 600 });
    expect(answer.warnings).toEqual([]);
  });

  it('asks by ids, of one team where it is configured, until a page is empty', async () => {
    const { fake, witness } = await setup({ team: 7 });
    fake.hosts = [
      { ...heard('web-01', 1), team: 7 },
      { ...heard('web-01', 0), team: 8 },
    ];
    expect(newest(await numbers(witness, question([host('web-01')])))).toEqual({ 'web-01': 1 });
    expect(fake.asked.map(({ url }) => url.search)).toEqual(
      [0, 1].map(
        (page) => `?page=${page}&per_page=500&order_key=id&order_direction=asc&disable_issues=true&team_id=7`,
      ),
    );
  });

  it('believes a server that says that there is no more', async () => {
    const { fake, witness } = await setup();
    fake.meta = true;
    fake.hosts = [heard('web-01', 1)];
    await numbers(witness, question([host('web-01')]));
    expect(fake.asked.length).toBe(1);
  });

  it('a server that gives fewer at once than it was asked for is asked on', async () => {
    const { fake, witness } = await setup();
    fake.most = 100;
    const names = Array.from({ length: 250 }, (_, index) => `h${index}`);
    fake.hosts = names.map((name) => heard(name, 3));
    const { byHost } = await numbers(witness, question(names.map((name) => host(name))));
    expect(byHost.size).toBe(250);
    expect(fake.asked.length).toBe(4);
  });

  it('10,000 hosts are one sweep of 21 pages', async () => {
    const { fake, witness } = await setup({ timeoutMs: 20_000 });
    const names = Array.from({ length: 10_000 }, (_, index) => `h${index}`);
    fake.hosts = names.map((name) => heard(name, 3));
    const { byHost } = await numbers(witness, question(names.map((name) => host(name))));
    expect(byHost.size).toBe(10_000);
    expect(fake.asked.length).toBe(21);
  });
});

describe('the version that Fleet reports', () => {
  it('is no news where the details are older than the change', async () => {
    const { fake, witness } = await setup({ measure: 'version' });
    fake.hosts = [
      { ...heard('stale'), version: '5.9.1', detailAt: NOW - 3_000_000 },
      { ...heard('wrong'), version: '5.9.1', detailAt: NOW - 60_000 },
      { ...heard('right'), version: '5.10.2', detailAt: NOW - 3_000_000 },
    ];
    const answer = await numbers(witness, question([host('stale'), host('wrong'), host('right')]));
    expect(newest(answer)).toEqual({ wrong: 0, right: 1 });
  });
});
