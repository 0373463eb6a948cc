import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../src/domain/cloud.ts';
import type { Environment } from '../../src/domain/environment.ts';
import type { Host } from '../../src/domain/host.ts';
import { ok } from '../../src/domain/result.ts';
import { classify } from '../../src/domain/targeting.ts';
import { examine } from '../../src/engine/doctor.ts';
import { fleetChecks, fleetFindings } from '../../src/engine/doctor-fleet.ts';
import { clockFindings, hostChecks, sampleCheck, sampleOf } from '../../src/engine/doctor-hosts.ts';
import { labelFinding, metricsChecks } from '../../src/engine/doctor-metrics.ts';
import { datedFindings, placesFinding, recordChecks } from '../../src/engine/doctor-record.ts';
import type { CheckResult, Finding, SelfCheck } from '../../src/ports/self-check.ts';
import { makeWorld, someHosts, type World } from './world.ts';

const DAY_MS = 86_400_000;

async function results(
  world: World,
  make: (w: World) => readonly SelfCheck[],
): Promise<readonly CheckResult[]> {
  const signal = new AbortController().signal;
  return (await world.clock.run(examine(make(world), { clock: world.clock, signal }))).results;
}

const kinds = (findings: readonly Finding[]): string[] => findings.map(({ kind, what }) => `${kind} ${what}`);
const named = (findings: readonly Finding[], what: string): Finding | undefined =>
  findings.find((finding) => finding.what === what);

function gceFleet(world: World, hosts: readonly Host[]): Finding[] {
  const environment: Environment = {
    ...world.environment,
    inventory: {
      kind: 'gce',
      projects: ['p'],
      roleLabel: 'type',
      address: '{internal}',
      publishedHostKeys: true,
      instanceCheck: true,
      credentials: {},
    },
  };
  const classified = classify(hosts, environment.targeting, world.clock.now());
  return fleetFindings({ hosts: classified, unknownZones: [] }, environment);
}

describe('the fleet', () => {
  it('that cannot be listed is one failure; what needs it is skipped, and not failed a second time', async () => {
    const world = makeWorld();
    world.fleet.inventoryFails = true;
    const found = await results(world, (w) => {
      const { context } = w.process();
      const { source, checks } = fleetChecks(context);
      return [...checks, ...hostChecks(context, source, 3), ...metricsChecks(context, source)];
    });
    expect(found.filter(({ kind }) => kind === 'failed')).toMatchObject([{ area: 'inventory' }]);
    const rest = found.filter(({ area }) => area !== 'inventory');
    expect(rest.map(({ kind }) => kind)).toEqual(rest.map(() => 'skipped'));
  });

  it('with a zone that could not be listed is a failure: what is there is unknown', async () => {
    const world = makeWorld();
    world.fleet.unknownZones.add('z2');
    const found = await results(world, (w) => fleetChecks(w.process().context).checks);
    expect(named(found, 'zones')).toMatchObject({ kind: 'failed', found: expect.stringContaining('z2') });
  });

  it('with undecided VMs is a warning that names some and where to say what they are', () => {
    const world = makeWorld();
    const hosts = someHosts(7).map((host) => ({
      ...host,
      name: `gke-${host.name}`,
      labels: { type: 'web' },
    }));
    const undecided = named(gceFleet(world, hosts), 'undecided VMs');
    expect(undecided).toMatchObject({ kind: 'warning', mend: expect.stringContaining('targeting.eligible') });
    expect(undecided?.found).toMatch(/^7, .*gke-h1 .*and 2 more$/u);
  });

  it('whose role label is on no VM names the labels that are', () => {
    const world = makeWorld();
    const hosts = someHosts(4).map((host) => ({ ...host, labels: { role: 'web', env: 'x' } }));
    expect(named(gceFleet(world, hosts), 'label type')).toMatchObject({
      kind: 'warning',
      found: expect.stringContaining('on 0 of 4 VMs'),
      mend: expect.stringContaining('to one of: role, env'),
    });
  });

  it('that is empty, or of which not one must have the agent, is no success', () => {
    const world = makeWorld();
    expect(gceFleet(world, [])[0]).toMatchObject({ kind: 'warning', found: 'the inventory is empty' });
    const off = someHosts(2).map((host) => ({ ...host, status: 'TERMINATED' as const }));
    expect(gceFleet(world, off)[0]).toMatchObject({
      kind: 'warning',
      found: expect.stringContaining('not one must'),
    });
  });
});

describe('the sample of hosts', () => {
  it('is spread over zones first, then over roles, and is the same each time', () => {
    const hosts = someHosts(12);
    const sample = sampleOf(hosts, 3);
    expect(new Set(sample.map(({ zone }) => zone)).size).toBe(3);
    expect(new Set(sample.map(({ role }) => role)).size).toBe(2);
    expect(sampleOf(hosts, 3)).toEqual(sample);
    expect(sampleOf(hosts, 100)).toHaveLength(12);
    expect(sampleOf([], 3)).toEqual([]);
  });

  it('is said to be one, and of how many', async () => {
    const told = async (sample: number): Promise<string[]> =>
      (await results(makeWorld(), (w) => [sampleCheck(fleetChecks(w.process().context).source, sample)])).map(
        ({ found }) => found,
      );
    expect(await told(3)).toEqual([expect.stringMatching(/^3 of \d+ .*nothing is known of the others/u)]);
    expect(await told(1000)).toEqual([expect.stringMatching(/^all \d+ /u)]);
    const world = makeWorld();
    world.fleet.inventoryFails = true;
    expect(await results(world, (w) => [sampleCheck(fleetChecks(w.process().context).source, 3)])).toEqual(
      [],
    );
  });

  it('of which hosts run what is not staged warns once of each version: there would be no way back', async () => {
    const found = await results(makeWorld(), (w) => {
      const { context } = w.process();
      const list = async (): ReturnType<typeof context.store.list> => {
        const listed = await context.store.list();
        return listed.ok ? ok(listed.value.slice(-1)) : listed;
      };
      return hostChecks({ ...context, store: { ...context.store, list } }, fleetChecks(context).source, 3);
    });
    expect(kinds(found).toSorted()).toEqual([
      expect.stringMatching(/^ok h/u),
      expect.stringMatching(/^ok h/u),
      expect.stringMatching(/^ok h/u),
      'warning way back',
    ]);
    expect(named(found, 'way back')).toMatchObject({ mend: expect.stringMatching(/^rollout stage /u) });
  });

  it('of which hosts run what is staged twice, as different packages, warns too', async () => {
    const found = await results(makeWorld(), (w) => {
      const { context } = w.process();
      const list = async (): ReturnType<typeof context.store.list> => {
        const listed = await context.store.list();
        return listed.ok
          ? ok(listed.value.flatMap((one) => [one, { ...one, version: 'other', sha256: 'f'.repeat(64) }]))
          : listed;
      };
      return hostChecks({ ...context, store: { ...context.store, list } }, fleetChecks(context).source, 1);
    });
    expect(named(found, 'way back')).toMatchObject({
      kind: 'warning',
      found: expect.stringContaining('different packages are staged'),
    });
  });

  it('one host out of reach fails alone, with what to try', async () => {
    const world = makeWorld();
    world.fleet.cutOff.add('1');
    const found = await results(world, (w) => {
      const { context } = w.process();
      return hostChecks(context, fleetChecks(context).source, 3);
    });
    expect(found.map(({ kind }) => kind).sort()).toEqual(['failed', 'ok', 'ok']);
    expect(found.find(({ kind }) => kind === 'failed')).toMatchObject({
      what: 'h1 (z1)',
      mend: expect.stringContaining('ssh'),
    });
  });

  it.each([
    ['denied', 'not let in', 'ssh.identityFiles'],
    ['host-key-mismatch', 'another host key', 'fingerprint'],
    ['sudo-refused', 'sudo refuses', 'sudoers'],
    ['cut-before', '', ''],
    ['too-slow', 'no answer in time', ''],
  ] as const)('%s is a failure with its own mend', async (fault, words, mend) => {
    const world = makeWorld();
    world.fleet.faults = () => fault;
    const [found] = await results(world, (w) => {
      const { context } = w.process();
      return hostChecks(context, fleetChecks(context).source, 1);
    });
    expect(found).toMatchObject({
      kind: 'failed',
      found: expect.stringContaining(words),
      mend: expect.stringContaining(mend),
    });
  });

  const firstHost = (world: World, more: Partial<Environment> = {}): Promise<readonly CheckResult[]> =>
    results(world, (w) => {
      const { context } = w.process();
      const environment = { ...context.environment, ...more };
      return hostChecks({ ...context, environment }, fleetChecks(context).source, 1);
    });
  const inBucket = (delivery: Delivery): Partial<Environment> => ({
    artifacts: { kind: 'gcs', bucket: 'b', prefix: '', credentials: {}, delivery },
  });
  const not = (found: readonly Finding[]): readonly Finding[] => found.filter(({ kind }) => kind !== 'ok');

  it.each([
    [0, []],
    [4_000, []],
    [-4_000, []],
    [7_000, ['warning', '7.0 s ahead of this machine']],
    [-7_000, ['warning', '7.0 s behind this machine']],
    [-59_000, ['warning', '59.0 s behind this machine']],
    [90_000, ['failed', '90.0 s ahead of this machine']],
    [-86_400_000, ['failed', '24h behind this machine']],
  ] as const)('whose clock is %d ms off says by how much and which way', async (clockAheadMs, told) => {
    const world = makeWorld();
    world.fleet.host('h1').trouble.clockAheadMs = clockAheadMs;
    const found = await firstHost(world);
    expect(found[0]).toMatchObject({ kind: 'ok', what: 'h1 (z1)' });
    expect(found[0]?.found.includes('clock within 5 s')).toBe(told.length === 0);
    expect(not(found).map((one) => [one.kind, one.what, one.found.split(':')[0]])).toEqual(
      told.length === 0 ? [] : [[told[0], 'clock of h1 (z1)', told[1]]],
    );
    for (const one of not(found)) expect(one).toMatchObject({ mend: expect.stringContaining('timedatectl') });
  });

  it('whose answer took long is not blamed for its clock: it read it at some time in between', () => {
    const [host] = someHosts(1);
    if (host === undefined) throw new Error('bug: no host');
    const clockFound = (from: number, to: number, clockMs: number | null): string[] =>
      kinds(clockFindings({ host, clockMs, heard: { from, to } }));
    expect(clockFound(0, 30_000, 12_000)).toEqual([]);
    expect(clockFound(0, 30_000, -4_000)).toEqual([]);
    expect(clockFound(0, 30_000, 36_000)).toEqual(['warning clock of h1 (z1)']);
    expect(clockFound(100_000, 130_000, 94_000)).toEqual(['warning clock of h1 (z1)']);
    expect(clockFound(0, 0, null)).toEqual([]);
  });

  it.each([
    ['signed-url', 'curl', 'ok'],
    ['signed-url', 'wget', 'ok'],
    ['signed-url', '', 'failed'],
    ['service-account', 'curl', 'ok'],
    ['service-account', 'wget', 'failed'],
    ['service-account', '', 'failed'],
    ['sftp', '', 'ok'],
  ] as const)('to which packages go by %s and that has %j: %s', async (delivery, fetcher, kind) => {
    const world = makeWorld();
    if (fetcher !== 'curl') world.fleet.host('h1').trouble.fetcher = fetcher;
    const found = await firstHost(world, inBucket(delivery));
    expect(not(found)).toMatchObject(
      kind === 'ok'
        ? []
        : [{ kind, what: 'delivery to h1 (z1)', mend: expect.stringContaining('apt-get install -y curl') }],
    );
    expect(found[0]?.found.includes('can fetch with')).toBe(kind === 'ok' && delivery !== 'sftp');
  });

  it('that is out of reach is named once, with the very command that goes the same way', async () => {
    const world = makeWorld();
    world.fleet.cutOff.add('1');
    const { ssh } = world.environment;
    const jump = [
      { user: 'j', host: 'bastion', port: 22 },
      { user: 'k', host: 'inner', port: 2222 },
    ];
    const more = { ssh: { ...ssh, user: 'ops', port: 2022, identityFiles: ['/home/ops/key'], jump } };
    expect(await firstHost(world, more)).toMatchObject([
      {
        kind: 'failed',
        found: 'out of reach: connect timed out',
        mend: expect.stringContaining(
          'try: ssh -p 2022 -i /home/ops/key -J j@bastion,k@inner:2222 ops@10.0.0.1;',
        ),
      },
    ]);
  });

  it('changes nothing: only looks are sent', async () => {
    const world = makeWorld();
    await results(world, (w) => {
      const { context } = w.process();
      return hostChecks(context, fleetChecks(context).source, 3);
    });
    expect(world.fleet.contacts.map(({ program }) => program)).toEqual(['look', 'look', 'look']);
  });
});

describe('metrics', () => {
  const ask = (world: World): Promise<readonly CheckResult[]> =>
    results(world, (w) => {
      const { context } = w.process();
      return metricsChecks(context, fleetChecks(context).source);
    });

  it('that are away are no failure of each gate: they are asked about once, elsewhere', async () => {
    const world = makeWorld();
    world.metrics.failure = { kind: 'unavailable', message: 'no answer' };
    expect(kinds(await ask(world))).toEqual(['skipped label fqdn', 'skipped gate cpu', 'skipped gate alive']);
  });

  it('that are there and do not take a question fail that question', async () => {
    const world = makeWorld();
    world.metrics.failure = { kind: 'rejected', message: 'HTTP 422: too many samples; narrow it' };
    expect(kinds(await ask(world))).toEqual(['failed label fqdn', 'failed gate cpu', 'failed gate alive']);
  });

  it('with two series for a host fail the gate: none of them could be judged', async () => {
    const world = makeWorld();
    world.metrics.twice.add('h2');
    expect(named(await ask(world), 'gate cpu')).toMatchObject({
      kind: 'failed',
      found: expect.stringContaining('h2'),
      mend: expect.stringContaining('matchers'),
    });
  });

  it('without a number for a host are a warning that names it', async () => {
    const world = makeWorld();
    world.gaps.push({ from: 0, until: Number.POSITIVE_INFINITY, hosts: ['h3'] });
    expect(named(await ask(world), 'gate cpu')).toMatchObject({
      kind: 'warning',
      found: expect.stringMatching(/5 of 6 VMs.*without: h3/u),
    });
  });

  it('that are not whole are never called right', async () => {
    const world = makeWorld();
    world.metrics.warnings = ['a store is away'];
    expect(named(await ask(world), 'gate cpu')).toMatchObject({ kind: 'warning' });
  });

  it('of a well fleet are right, gate by gate', async () => {
    const found = await ask(makeWorld());
    expect(named(found, 'gate cpu')).toMatchObject({
      kind: 'ok',
      found: 'one series for 6 of 6 VMs, 0 cores (bad above 0.1)',
    });
  });

  const label = (values: readonly string[], hostValue: string, hosts = someHosts(3)): Finding =>
    labelFinding({
      what: 'label fqdn',
      file: 'gprd.yaml',
      settings: { hostLabel: 'fqdn', hostValue },
      hosts,
      answer: { series: values.map((fqdn) => ({ labels: { fqdn }, samples: [] })), warnings: [] },
    });

  it('that name hosts in another way show both ways, and the template that fits', () => {
    const hosts = someHosts(3).map((host) => ({ ...host, project: 'prod' }));
    const series = ['h1.c.prod.internal', 'h2.c.prod.internal', 'h3.c.prod.internal'];
    expect(label(series, '{name}', hosts)).toMatchObject({
      kind: 'failed',
      found: expect.stringContaining('expected as fqdn="h1", and series have fqdn="h1.c.prod.internal"'),
      mend: 'set prometheus.hostValue: "{name}.c.prod.internal" in gprd.yaml',
    });
    expect(label(['10.0.0.1:9256'], '{name}')).toMatchObject({
      mend: 'set prometheus.hostValue: "{address}:9256" in gprd.yaml',
    });
    expect(label(['who-knows'], '{name}')).toMatchObject({
      mend: expect.stringContaining('prometheus.hostLabel'),
    });
  });

  it('that lack some hosts are a warning with their names', () => {
    expect(label(['h1', 'h2'], '{name}')).toMatchObject({
      kind: 'warning',
      found: expect.stringMatching(/2 of 3 .*h3$/u),
    });
    expect(label(['h1', 'h2', 'h3', 'stranger'], '{name}')).toMatchObject({ kind: 'ok' });
  });
});

describe('the record', () => {
  it('of a new environment is empty and right', async () => {
    const found = await results(makeWorld(), (w) => recordChecks(w.process().context));
    expect(kinds(found)).toEqual(['ok staged packages', 'ok journal', 'ok lease']);
  });

  it('without any staged package is a warning: the next deploy would be refused', async () => {
    const found = await results(makeWorld(), (w) => {
      const { context } = w.process();
      return recordChecks({ ...context, store: { ...context.store, list: async () => ok([]) } });
    });
    expect(named(found, 'staged packages')).toMatchObject({
      kind: 'warning',
      found: expect.stringContaining('no way back'),
      mend: expect.stringMatching(/^rollout stage .*runs now as well$/u),
    });
  });

  it('says who is at work', async () => {
    const world = makeWorld();
    const { context } = world.process();
    const held = await context.lease.acquire(context.actor);
    expect(held.ok).toBe(true);
    const found = await results(world, () => recordChecks(context));
    expect(named(found, 'lease')?.found).toContain(`held by ${context.actor.user}@${context.actor.hostname}`);
  });

  it('is a failure where there is a holder that nobody can read', async () => {
    const world = makeWorld();
    world.leases.failNext({ on: 'holder', kind: 'unreadable' });
    const found = await results(world, (w) => recordChecks(w.process().context));
    expect(named(found, 'lease')).toMatchObject({
      kind: 'failed',
      found: 'the lease in memory cannot be read',
      mend: expect.stringMatching(/^look at /u),
    });
  });

  it('takes a holder for one that can be read, whatever name that has', async () => {
    const world = makeWorld();
    const { context } = world.process();
    await context.lease.acquire({ ...context.actor, user: 'unknown', hostname: 'unknown' });
    expect(named(await results(world, () => recordChecks(context)), 'lease')).toMatchObject({ kind: 'ok' });
  });

  it('packages and journal in one place are a failure', () => {
    const { environment } = makeWorld();
    expect(placesFinding(environment)).toMatchObject({ kind: 'ok' });
    const same = { kind: 'local', path: '/one' } as const;
    expect(placesFinding({ ...environment, artifacts: same, journal: same })).toMatchObject({
      kind: 'failed',
    });
  });

  it('names freeze windows that are active or near, and exemptions that ended or soon will', () => {
    const { environment } = makeWorld();
    const now = Date.UTC(2026, 10, 21);
    const rule = (when: string, until: number) => ({ when, reason: 'why', until });
    const dated = datedFindings(
      {
        ...environment,
        freeze: [
          { from: now - DAY_MS, until: now + DAY_MS, reason: 'lock' },
          { from: now + 3 * DAY_MS, until: now + 4 * DAY_MS, reason: 'near' },
          { from: now + 30 * DAY_MS, until: now + 40 * DAY_MS, reason: 'far' },
        ],
        targeting: {
          ...environment.targeting,
          exempt: [
            rule('role == "a"', now - 1),
            rule('role == "b"', now + 29 * DAY_MS),
            rule('role == "c"', now + 31 * DAY_MS),
          ],
        },
      },
      now,
    );
    expect(dated.map(({ kind }) => kind)).toEqual(['warning', 'warning', 'warning', 'warning']);
    expect(dated.map(({ found }) => found).join('\n')).toMatch(
      /lock\n.*near\n.*exempt\[0\].*ended.*\n.*exempt\[1\].*in 29 days/u,
    );
    expect(kinds(datedFindings(environment, now))).toEqual(['ok freeze windows', 'ok exemptions']);
  });
});
