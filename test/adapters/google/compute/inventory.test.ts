import { afterEach, describe, expect, it } from 'vitest';
import { gceInventory } from '../../../../src/adapters/google/compute/inventory.ts';
import type { Fault } from '../../../fakes/google/compute-faults.ts';
import { fleetOf } from '../../../fakes/google/compute-fleet.ts';
import type { ComputeServerOptions } from '../../../fakes/google/compute-server.ts';
import { type ComputeRig, errorOf, startComputeRig, viewOf, vm } from './compute-rig.ts';

let rig: ComputeRig | undefined;
afterEach(() => rig?.close());

async function rigOf(options: ComputeServerOptions): Promise<ComputeRig> {
  rig = await startComputeRig(options);
  return rig;
}

const LISTS = /aggregated\/instances/;
const SECOND_PAGE = /aggregated\/instances.*pageToken=/;
/** Two pages and a bit. */
const LONG = fleetOf({ count: 1_100 });

describe('a zone that cannot be listed', () => {
  it.each(['warning', 'unreachables'] as const)(
    'is unknown, not empty, however it is told (%s)',
    async (how) => {
      const { compute, inventory } = await rigOf({ vms: fleetOf({ count: 30 }) });
      compute.unreachable.set('us-east1-c', how);
      const view = await viewOf(inventory());
      expect(view.unknownZones.map(({ zone }) => zone)).toEqual(['sandbox/us-east1-c']);
      expect(view.unknownZones[0]?.why).toContain(how === 'warning' ? 'UNREACHABLE' : 'cannot reach');
      expect(new Set(view.hosts.map(({ zone }) => zone))).toEqual(new Set(['us-east1-b', 'us-east1-d']));
    },
  );

  it('that is not named makes the whole project unknown', async () => {
    const { compute, inventory } = await rigOf({ vms: fleetOf({ count: 30 }) });
    compute.unreachable.set('us-east1-c', 'top-level-warning');
    const view = await viewOf(inventory());
    expect(view.unknownZones).toEqual([
      { zone: 'sandbox/*', why: expect.stringContaining('UNREACHABLE: The zone cannot be reached') },
    ]);
    expect(view.hosts).toHaveLength(21);
  });

  it('on a later page only, is unknown too', async () => {
    const { compute, inventory } = await rigOf({ vms: LONG });
    compute.fault(SECOND_PAGE, {
      kind: 'body',
      body: JSON.stringify({
        kind: 'compute#instanceAggregatedList',
        items: { 'zones/us-east1-d': { warning: { code: 'UNREACHABLE', message: 'gone' } } },
      }),
    });
    const { unknownZones } = await viewOf(inventory());
    expect(unknownZones).toEqual([{ zone: 'sandbox/us-east1-d', why: 'UNREACHABLE: gone' }]);
  });

  it('of one project says nothing of the same zone in another', async () => {
    const { compute, inventory } = await rigOf({
      vms: [
        ...fleetOf({ count: 3, project: 'a' }),
        ...fleetOf({ count: 3, project: 'b' }).map((each) => ({ ...each, id: `9${each.id}` })),
      ],
    });
    compute.unreachable.set('a/us-east1-b', 'warning');
    const view = await viewOf(inventory({ projects: ['a', 'b'] }));
    expect(view.unknownZones.map(({ zone }) => zone)).toEqual(['a/us-east1-b']);
    expect(view.hosts.map(({ project }) => project)).toEqual(['b', 'b', 'b']);
  });

  it('with a warning that is new to us is unknown', async () => {
    const { compute, inventory } = await rigOf({ vms: fleetOf({ count: 3 }) });
    compute.fault(LISTS, {
      kind: 'body',
      body: '{"kind":"compute#instanceAggregatedList","items":{"zones/us-east1-b":{"warning":{"code":"LARGE_DEPLOYMENT_WARNING","message":"?"}},"zones/us-east1-c":{"warning":{"code":"NO_RESULTS_ON_PAGE"}}}}',
    });
    const { unknownZones } = await viewOf(inventory());
    expect(unknownZones.map(({ zone }) => zone)).toEqual(['sandbox/us-east1-b']);
  });
});

const PASSING: readonly [string, Fault][] = [
  ['a quota (429)', { kind: 'error', status: 429, reason: 'rateLimitExceeded' }],
  [
    'a quota (403, as Compute Engine words it)',
    { kind: 'error', status: 403, reason: 'rateLimitExceeded', message: 'Rate Limit Exceeded' },
  ],
  ['500', { kind: 'error', status: 500 }],
  ['503', { kind: 'error', status: 503 }],
  ['a proxy’s 502', { kind: 'html', status: 502 }],
  ['504', { kind: 'error', status: 504 }],
  ['a lost reply', { kind: 'lost-reply' }],
  ['a body that breaks off', { kind: 'truncated' }],
  ['half a body that is said to be all', { kind: 'cut-short' }],
  ['an empty body', { kind: 'empty' }],
  ['an empty object', { kind: 'body', body: '{}' }],
  ['an answer of another kind', { kind: 'body', body: '{"kind":"compute#zoneList","items":{}}' }],
];

describe('what passes', () => {
  it.each(PASSING)('%s: is asked again, and nothing is missing', async (_what, fault) => {
    const { compute, inventory, clock } = await rigOf({ vms: LONG });
    compute.fault(LISTS, fault, 2);
    compute.fault(SECOND_PAGE, fault);
    const view = await viewOf(inventory());
    expect(view.hosts).toHaveLength(LONG.length);
    expect(view.unknownZones).toEqual([]);
    expect(compute.requests).toHaveLength(6);
    expect(clock.elapsedMs).toBeGreaterThanOrEqual(250 + 500 + 250);
  });

  it('a silent server: each request ends in time', async () => {
    const { compute, inventory } = await rigOf({ vms: fleetOf({ count: 3 }) });
    compute.fault(LISTS, { kind: 'silent' });
    expect((await viewOf(inventory({}, 300))).hosts).toHaveLength(3);
  });

  it.each([
    ['503', { kind: 'error', status: 503 }] as const,
    ['an empty object', { kind: 'body', body: '{}' }] as const,
  ])(
    'and does not (%s): an error that may be tried later, in bounded time and attempts',
    async (_what, fault) => {
      const { compute, inventory, clock } = await rigOf({ vms: LONG });
      compute.fault(LISTS, fault, Number.POSITIVE_INFINITY);
      const error = await errorOf(inventory());
      expect(error).toMatchObject({ kind: 'unavailable', retryable: true });
      expect(error.message).toContain('sandbox/* could not be listed');
      expect(error.message).toMatch(/; .*try again$/);
      expect(compute.requests.length).toBeLessThanOrEqual(8);
      expect(clock.elapsedMs).toBeLessThan(60_000);
    },
  );

  it('and does not, on the second page: the first page’s VMs are there, the project is unknown', async () => {
    const { compute, inventory } = await rigOf({ vms: LONG });
    compute.fault(SECOND_PAGE, { kind: 'error', status: 503 }, Number.POSITIVE_INFINITY);
    const view = await viewOf(inventory());
    expect(view.hosts).toHaveLength(500);
    expect(view.unknownZones).toEqual([
      { zone: 'sandbox/*', why: expect.stringContaining('page 2: HTTP 503') },
    ]);
  });

  it('and does not, in one project of two: the other one is known', async () => {
    const { compute, inventory } = await rigOf({
      vms: fleetOf({ count: 3, project: 'a' }),
      projects: ['a', 'b'],
    });
    compute.fault(/projects\/b\//, { kind: 'lost-reply' }, Number.POSITIVE_INFINITY);
    const view = await viewOf(inventory({ projects: ['a', 'b'] }));
    expect(view.hosts).toHaveLength(3);
    expect(view.unknownZones.map(({ zone }) => zone)).toEqual(['b/*']);
  });
});

describe('a list that changes, or is behind', () => {
  it('the same VM on two pages counts once, as the later page has it', async () => {
    const { compute, inventory } = await rigOf({ vms: LONG });
    const [first] = LONG;
    if (first === undefined) throw new Error('no VM');
    compute.fault(/pageToken=.*/, {
      kind: 'body',
      body: JSON.stringify({
        kind: 'compute#instanceAggregatedList',
        items: {
          'zones/us-east1-b': { instances: [{ id: first.id, name: first.name, status: 'STOPPING' }] },
        },
      }),
    });
    const { hosts } = await viewOf(inventory());
    expect(hosts.filter(({ id }) => id === first.id).map(({ status }) => status)).toEqual(['STOPPING']);
  });

  it('a page that leads back to itself ends, and the project is unknown', async () => {
    const { compute, inventory } = await rigOf({ vms: LONG });
    compute.fault(SECOND_PAGE, { kind: 'repeated-token' }, Number.POSITIVE_INFINITY);
    const view = await viewOf(inventory());
    expect(view.unknownZones).toEqual([
      { zone: 'sandbox/*', why: expect.stringContaining('leads back to a page that was read') },
    ]);
    expect(compute.requests).toHaveLength(2);
  });

  it('tells what the API tells, and later what is so', async () => {
    const { compute, inventory } = await rigOf({ vms: [vm({ id: '1' })] });
    compute.listed = [vm({ id: '2' })];
    const same = inventory();
    expect((await viewOf(same)).hosts.map(({ id }) => id)).toEqual(['2']);
    compute.listed = null;
    expect((await viewOf(same)).hosts.map(({ id }) => id)).toEqual(['1']);
  });

  it('an instance without an id makes its zone unknown', async () => {
    const { compute, inventory } = await rigOf({});
    compute.fault(LISTS, {
      kind: 'body',
      body: '{"kind":"compute#instanceAggregatedList","items":{"zones/us-east1-b":{"instances":[{"name":"x"}]}}}',
    });
    expect(await viewOf(inventory())).toMatchObject({
      hosts: [],
      unknownZones: [{ zone: 'sandbox/us-east1-b', why: 'an instance is listed without an id or a name' }],
    });
  });
});

describe('VMs in a place that is no zone', () => {
  it('make the project unknown: they are not dropped in silence', async () => {
    const { compute, inventory } = await rigOf({});
    compute.fault(LISTS, {
      kind: 'body',
      body: '{"kind":"compute#instanceAggregatedList","items":{"regions/us-east1":{"instances":[{"id":"7","name":"x"}]},"zones/us-east1-b":{"instances":[{"id":"8","name":"y"}]}}}',
    });
    const { hosts, unknownZones } = await viewOf(inventory());
    expect(hosts.map(({ id }) => id)).toEqual(['8']);
    expect(unknownZones).toEqual([
      { zone: 'sandbox/*', why: 'VMs are listed in regions/us-east1, which is no zone' },
    ]);
  });
});

describe('a list of many slow pages', () => {
  /** Every page takes 20 s. */
  async function slowly(listMs?: number) {
    const { compute, access, clock } = await rigOf({ vms: fleetOf({ count: 2_600 }) });
    const now = () => clock.now() + compute.requests.length * 20_000;
    const settings = {
      kind: 'gce' as const,
      projects: ['sandbox'],
      roleLabel: 'type',
      address: '{internal}',
      publishedHostKeys: true,
      instanceCheck: true,
      credentials: access.credentials,
    };
    const order = { settings, access, clock: { ...clock, now } };
    return viewOf(gceInventory(listMs === undefined ? order : { ...order, listMs }));
  }

  it('is read to its end: a page has its own time', async () => {
    const view = await slowly();
    expect(view.unknownZones).toEqual([]);
    expect(view.hosts).toHaveLength(2_600);
  });

  it('has an end: what was not read by then is unknown', async () => {
    const view = await slowly(50_000);
    expect(view.unknownZones).toEqual([
      { zone: 'sandbox/*', why: 'page 4: the time for the whole list was used up' },
    ]);
    expect(view.hosts).toHaveLength(1_500);
  });
});

describe('a silent sign-in', () => {
  it('does not hold up a list beyond its time', async () => {
    const { identity, inventory, clock } = await rigOf({});
    identity.mood = 'silent';
    const error = await errorOf(inventory({}, 100));
    expect(error).toMatchObject({ kind: 'unavailable', retryable: true });
    expect(error.message).toContain("Google's sign-in cannot be reached (no answer within 100 ms)");
    expect(clock.elapsedMs).toBeLessThan(60_000);
  });
});

describe('who has stopped waiting', () => {
  it.each(['Compute Engine', 'the sign-in'])('is answered at once, whoever is silent: %s', async (what) => {
    const { compute, identity, inventory } = await rigOf({ vms: fleetOf({ count: 3 }) });
    if (what === 'the sign-in') identity.mood = 'silent';
    else compute.fault(LISTS, { kind: 'silent' });
    const off = new AbortController();
    const listed = inventory({}, 60_000).list({ signal: off.signal });
    const least = what === 'Compute Engine' ? 1 : 0;
    while (compute.requests.length < least) await new Promise((resolve) => setImmediate(resolve));
    const asked = compute.requests.length;
    off.abort();
    const began = performance.now();
    expect(await listed).toEqual({
      ok: false,
      error: { kind: 'unavailable', message: 'called off', retryable: false },
    });
    expect(performance.now() - began).toBeLessThan(500);
    expect(compute.requests).toHaveLength(asked);
  });

  it('before the second page, is not told of half a list', async () => {
    const { compute, inventory } = await rigOf({ vms: LONG });
    compute.fault(SECOND_PAGE, { kind: 'silent' });
    const off = new AbortController();
    const listed = inventory({}, 60_000).list({ signal: off.signal });
    while (compute.requests.length < 2) await new Promise((resolve) => setImmediate(resolve));
    off.abort();
    expect(await listed).toMatchObject({ ok: false, error: { message: 'called off' } });
  });

  it('before it began, asks nobody', async () => {
    const { compute, inventory } = await rigOf({ vms: LONG });
    expect(await inventory().list({ signal: AbortSignal.abort() })).toMatchObject({ ok: false });
    expect(compute.requests).toEqual([]);
  });
});

describe('what waiting does not mend', () => {
  it('a missing permission names project and role', async () => {
    const { compute, inventory } = await rigOf({ vms: LONG });
    compute.denied.add('compute.instances.list');
    const error = await errorOf(inventory());
    expect(error).toMatchObject({ kind: 'unavailable', retryable: false });
    expect(error.message).toContain('may not list the VMs of project sandbox');
    expect(error.message).toContain("Required 'compute.instances.list' permission");
    expect(error.message).toContain('gcloud projects add-iam-policy-binding sandbox');
    expect(error.message).toContain('--role=roles/compute.viewer');
    expect(compute.requests).toHaveLength(1);
  });

  it('a permission that is taken away between two pages is no half list', async () => {
    const { compute, inventory } = await rigOf({ vms: LONG });
    compute.fault(SECOND_PAGE, { kind: 'error', status: 403, reason: 'forbidden', message: 'Forbidden' });
    expect(await errorOf(inventory())).toMatchObject({ kind: 'unavailable', retryable: false });
  });

  it('an API that is not enabled names the command', async () => {
    const { compute, inventory } = await rigOf({ vms: LONG });
    compute.disabled.add('sandbox');
    const error = await errorOf(inventory());
    expect(error.kind).toBe('invalid');
    expect(error.message).toContain('gcloud services enable compute.googleapis.com --project=sandbox');
  });

  it('a project that does not exist is named, though the other one is well', async () => {
    const { inventory } = await rigOf({ vms: LONG });
    const error = await errorOf(inventory({ projects: ['sandbox', 'nope'] }));
    expect(error.kind).toBe('invalid');
    expect(error.message).toContain('there is no project nope');
    expect(error.message).not.toContain('sandbox');
  });

  it('a filter that is none is shown', async () => {
    const { inventory } = await rigOf({ vms: LONG });
    const error = await errorOf(inventory({ filter: 'labels.(' }));
    expect(error.kind).toBe('invalid');
    expect(error.message).toContain('inventory.filter "labels.("');
  });

  it('a key that was deleted says so, and nothing of Compute Engine', async () => {
    const { identity, compute, inventory } = await rigOf({ vms: LONG });
    identity.mood = 'refuses';
    const error = await errorOf(inventory());
    expect(error).toMatchObject({ kind: 'unavailable', retryable: false });
    expect(error.message).toContain(`Google refuses the key in ${identity.keyFile}`);
    expect(compute.requests).toEqual([]);
  });

  it('a sign-in that is away is tried again', async () => {
    const { identity, inventory } = await rigOf({ vms: fleetOf({ count: 3 }) });
    identity.mood = 'away';
    const same = inventory();
    const error = await errorOf(same);
    expect(error).toMatchObject({ kind: 'unavailable', retryable: true });
    expect(error.message).toContain("Google's sign-in cannot be reached");
    identity.mood = 'well';
    expect((await viewOf(same)).hosts).toHaveLength(3);
  }, 30_000);
});

describe('a part of the fleet', () => {
  it('named zones alone are asked, and all their pages', async () => {
    const { compute, inventory } = await rigOf({
      vms: fleetOf({ count: 1_200, zones: ['us-east1-b', 'us-east1-c'] }),
    });
    const view = await viewOf(inventory({ zones: ['us-east1-c'] }));
    expect(view.hosts).toHaveLength(600);
    expect(compute.requests.every((line) => line.includes('/zones/us-east1-c/instances?'))).toBe(true);
  });

  it('a named zone that cannot be listed is unknown, the other one is known', async () => {
    const { compute, inventory } = await rigOf({ vms: fleetOf({ count: 30 }) });
    compute.unreachable.set('us-east1-b', 'warning');
    compute.fault(/zones\/us-east1-c\//, { kind: 'error', status: 503 }, Number.POSITIVE_INFINITY);
    const view = await viewOf(inventory({ zones: ['us-east1-b', 'us-east1-c', 'us-east1-d'] }));
    expect(view.unknownZones.map(({ zone }) => zone).sort()).toEqual([
      'sandbox/us-east1-b',
      'sandbox/us-east1-c',
    ]);
    expect(new Set(view.hosts.map(({ zone }) => zone))).toEqual(new Set(['us-east1-d']));
  });

  it('a named zone that does not exist is an error that names it', async () => {
    const { inventory } = await rigOf({ vms: fleetOf({ count: 30 }) });
    const error = await errorOf(inventory({ zones: ['us-east1-b', 'us-east9-z'] }));
    expect(error.kind).toBe('invalid');
    expect(error.message).toContain('project sandbox has no zone us-east9-z');
  });

  it('the filter goes with every page', async () => {
    const { compute, inventory } = await rigOf({ vms: fleetOf({ count: 1_600 }) });
    const view = await viewOf(inventory({ filter: 'labels.type = web' }));
    expect(view.hosts).toHaveLength(534);
    expect(compute.requests).toHaveLength(2);
    expect(compute.requests.every((line) => line.includes('filter=labels.type'))).toBe(true);
  });

  it('an empty project is empty, and nothing is unknown', async () => {
    const { inventory, clock } = await rigOf({});
    expect(await viewOf(inventory())).toEqual({ hosts: [], unknownZones: [], at: clock.now() });
  });
});
