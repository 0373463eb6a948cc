/**
 * The main job with everything in Google Cloud: VMs found by Compute Engine's API, host keys from guest attributes, packages, journal
 * and lease in buckets, downloaded by the hosts themselves. What it must not do when Google does not answer as one would like.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FakeVm } from '../../fakes/google/compute-fleet.ts';
import type { CliOptions, CliResult } from '../rig/cli.ts';
import { until } from '../rig/command.ts';
import { bootFleet, type Fleet } from '../rig/fleet.ts';
import { bucketOf, projectOf, RigGoogle, VM_ACCOUNT } from '../rig/google.ts';
import { FAST, GOOD, laneHosts, OLD, Scenario, said, wrote } from './scenario.ts';

const BURNS_CPU = '5.11.0';

let fleet: Fleet;
let google: RigGoogle;
let folder: string;
let gstg: Scenario;
let gprd: Scenario;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollout-google-'));
  fleet = await bootFleet({ hosts: [...laneHosts('gstg'), ...laneHosts('gprd')] });
  google = await RigGoogle.start({
    fleet,
    folder: join(folder, 'google'),
    others: [
      {
        id: '9001',
        name: 'gke-gprd-pool-1',
        zone: 'us-east1-b',
        project: projectOf('gprd'),
        labels: { 'goog-gke-node': '', 'goog-k8s-cluster-name': 'gprd' },
        metadata: { 'kube-env': 'SECRET: in-kube-env' },
      },
    ],
  });
  gstg = new Scenario({ fleet, environment: 'gstg', folder });
  gprd = new Scenario({ fleet, environment: 'gprd', folder });
  await fleet.writeConfig(folder, {
    all: FAST,
    only: {
      gstg: google.settings('gstg', 'signed-url'),
      gprd: google.settings('gprd', 'service-account'),
    },
  });
});

afterAll(async () => {
  await google?.close();
  await fleet?.down();
  await rm(folder, { recursive: true, force: true });
});

/** What this file changes of the fleet's faults is undone before the next scenario. */
afterEach(() => {
  google.compute.unreachable.clear();
  google.storage.clearFaults();
  for (const host of fleet.hosts)
    google.metadata.instances.set(host.address, { id: host.id, email: VM_ACCOUNT });
});

async function cli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return await gstg.cli(args, { ...options, env: { ...google.env, ...options.env } });
}

/** Everything that the buckets hold of the record, as text. */
function record(): string {
  return [...google.storage.buckets.values()]
    .flatMap((bucket) => bucket.versions)
    .filter(({ name }) => name.startsWith('rollout/'))
    .map(({ bytes }) => Buffer.from(bytes).toString('latin1'))
    .join('\n');
}

function objectsOf(environment: string, prefix: string): string[] {
  const bucket = google.storage.buckets.get(bucketOf(environment));
  return (bucket?.objects ?? []).map(({ name }) => name).filter((name) => name.startsWith(prefix));
}

/** Fetches of packages by hosts since `from`, as `operation principal`. */
function fetches(from: number): string[] {
  return google.storage.requests
    .slice(from)
    .filter(({ name, operation }) => name.endsWith('.deb') && /^(signed-get|media)$/.test(operation))
    .map(({ operation, principal }) => `${operation} ${principal ?? 'nobody'}`);
}

/** What must never be shown: a signature, a token, a secret of a VM's metadata. */
function expectNoSecret(text: string): void {
  expect(text).not.toMatch(/X-Goog-Signature|ya29\.|PRIVATE KEY|in-kube-env/);
}

describe('a fleet in Google Cloud', () => {
  it('has its packages staged into the buckets, create-only', async () => {
    for (const version of [OLD, GOOD]) {
      const [a, b] = [await fleet.package(version, 'gstg'), await fleet.package(version, 'gprd')];
      const words = ['stage', version, '--package', `gstg=${a.file}`, '--package', `gprd=${b.file}`];
      const staged = await cli(words);
      expect(staged, said(staged)).toMatchObject({ code: 0 });
      const again = await cli(words);
      expect(again, said(again)).toMatchObject({ code: 0 });
      const other = await cli(['stage', version, '--package', `gprd=${a.file}`]);
      expect(other.code, said(other)).not.toBe(0);
    }
    for (const environment of ['gstg', 'gprd'])
      expect(objectsOf(environment, 'uptycs/').filter((name) => name.endsWith('.deb'))).toHaveLength(2);
  });

  it('shows who needs the agent and who does not, with the evidence', async () => {
    const listed = await cli(['fleet', 'gprd']);
    expect(listed, said(listed)).toMatchObject({ code: 0 });
    expect(listed.stdout).toMatch(/gke-gprd-pool-1.*exempt/u);
    expect(listed.stdout).toContain('goog-gke-node');
    expect(listed.stdout).toMatch(/gprd-web-1 .*running +5\.9\.1/u);
    expect(listed.stdout).toMatch(/must have it +3: 3 running/u);
    expectNoSecret(listed.stdout + listed.stderr);
  });

  it('takes a version through staging by signed URLs, while Google stumbles', async () => {
    const from = google.storage.requests.length;
    google.compute.fault(/aggregated/, { kind: 'error', status: 429, reason: 'rateLimitExceeded' });
    google.storage.fault({ kind: 'status', status: 503, on: 'insert', after: 2, times: 2 });
    google.storage.fault({ kind: 'lost-reply', on: 'insert', after: 6 });
    google.storage.fault({ kind: 'truncated-body', on: 'media', after: 3 });
    google.storage.fault({ kind: 'status', status: 503, on: 'signed-get', times: 1 });
    const deployed = await cli(['deploy', 'gstg', GOOD]);
    expect(deployed, said(deployed)).toMatchObject({ code: 0 });
    await gstg.expectRunning(GOOD);
    await gstg.expectTidy();
    // Both packages for each of three hosts, by their own hands; one was asked for twice.
    const taken = fetches(from).filter((one) => one.startsWith('signed-get'));
    expect(taken.length).toBeGreaterThanOrEqual(6);
    expectNoSecret(deployed.stdout + deployed.stderr + record());
    const history = await cli(['history', 'gstg', '--verify']);
    expect(history, said(history)).toMatchObject({ code: 0 });
    expect(history.stdout).toMatch(/chain whole: \d+ entries/u);
  });

  it('and on to production, fetched by the VMs as their own service account', async () => {
    const from = google.storage.requests.length;
    const promoted = await cli(['promote', 'gprd', '--reason', 'staging has baked']);
    expect(promoted, said(promoted)).toMatchObject({ code: 0 });
    await gprd.expectRunning(GOOD);
    await gprd.expectTidy();
    expect(fetches(from).filter((one) => one === `media ${VM_ACCOUNT}`)).toHaveLength(6);
    expectNoSecret(promoted.stdout + promoted.stderr + record());
  });

  it('answers the auditor: coverage now, and what ran at an address before', async () => {
    const coverage = await cli(['coverage', 'gprd']);
    expect(coverage, said(coverage)).toMatchObject({ code: 0 });
    expect(coverage.stdout).toContain('100');
    const whois = await cli(['whois', gprd.host('web-1').address, '--at', '0s', 'gprd']);
    expect(whois, said(whois)).toMatchObject({ code: 0 });
    expect(whois.stdout).toContain(gprd.host('web-1').name);
    expect(whois.stdout).toContain(GOOD);
  });

  it('passes the doctor', async () => {
    const doctor = await cli(['doctor', 'gprd']);
    expect(doctor, said(doctor)).toMatchObject({ code: 0 });
    expectNoSecret(doctor.stdout + doctor.stderr);
  });

  it('is not changed while a zone cannot be listed', async () => {
    google.compute.unreachable.set('us-east1-c', 'warning');
    const before = await fleet.running('gstg');
    const held = await cli(['deploy', 'gstg', OLD]);
    expect(held, said(held)).toMatchObject({ code: 4 });
    expect(held.stderr).toContain('us-east1-c');
    expect(await fleet.running('gstg')).toEqual(before);
  });

  it('is not changed where another machine answers at the address', async () => {
    google.metadata.instances.set(gstg.host('web-2').address, { id: '77' });
    const held = await cli(['deploy', 'gstg', OLD]);
    expect(held, said(held)).toMatchObject({ code: 4 });
    expect(held.stderr).toContain('77');
    await gstg.expectRunning(GOOD);
  });

  it('does not believe a host whose key nobody has published', async () => {
    const vm = takeOut(gstg.host('db-1').name);
    const { hostKeys: _, ...keyless } = vm;
    google.compute.vms.push(keyless);
    // Another state folder: what an earlier run remembers of keys is not there.
    const env = { ROLLOUT_STATE_DIR: join(folder, 'other-state') };
    const held = await cli(['deploy', 'gstg', OLD], { env });
    takeOut(vm.name);
    google.compute.vms.push(vm);
    expect(held, said(held)).toMatchObject({ code: 4 });
    expect(held.stderr).toContain('enable-guest-attributes');
    await gstg.expectRunning(GOOD);
  });

  it('is carried on by whoever comes after a kill, once the lease in the bucket has lapsed', async () => {
    const started = gstg.start(['deploy', 'gstg', OLD, '--json'], { env: google.env });
    await started.sees(
      'the first upgrade',
      wrote('hosts-intended', (body) => body.action === 'upgrade'),
    );
    started.kill();
    await started.result;
    let last: CliResult | undefined;
    await until(
      'somebody else may go on',
      async () => {
        last = await cli(['advance', 'gstg', '--wait']);
        return last.code !== 6;
      },
      { timeoutMs: 120_000, everyMs: 1_000 },
    );
    if (last === undefined) throw new Error('nothing was run');
    expect(last, said(last)).toMatchObject({ code: 0 });
    await gstg.expectRunning(OLD);
    const history = await cli(['history', 'gstg', '--verify']);
    expect(history, said(history)).toMatchObject({ code: 0 });
  });

  it('takes a VM along that is born in mid-rollout, and waits for none that vanishes', async () => {
    const [born, spot] = [takeOut(gstg.host('web-2').name), spotOf(takeOut(gstg.host('web-1').name))];
    google.compute.vms.push(spot);
    const started = gstg.start(['deploy', 'gstg', GOOD, '--json'], { env: google.env });
    await started.sees('the canary wave', wrote('wave-started'));
    google.compute.vms.push(born);
    await started.sees('the canaries’ soak', wrote('wave-acted'));
    takeOut(spot.name);
    const ended = await started.result;
    google.compute.vms.push(spot);
    expect(ended, said(ended)).toMatchObject({ code: 0 });
    await gstg.expectRunning(GOOD, ['web-2', 'db-1']);
    const history = await cli(['history', 'gstg']);
    expect(history.stdout).toMatch(/new since the plan, in wave \d: gstg-web-2/u);
    expect(history.stdout).toMatch(/gstg-web-1 is gone/u);
  });

  it('comes back by itself from a version that burns CPU, wherever it had got to', async () => {
    await cli(['deploy', 'gstg', GOOD]);
    const { file } = await fleet.package(BURNS_CPU, 'gstg');
    const staged = await cli(['stage', BURNS_CPU, '--package', `gstg=${file}`]);
    expect(staged, said(staged)).toMatchObject({ code: 0 });
    // The way back is kept on the hosts: no bucket gives a package while it is needed.
    const started = gstg.start(['deploy', 'gstg', BURNS_CPU, '--json'], { env: google.env });
    await started.sees('the canaries’ soak', wrote('wave-acted'));
    google.storage.fault({
      kind: 'status',
      status: 503,
      on: ['signed-get', 'media'],
      name: '.deb',
      times: 1_000,
    });
    const ended = await started.result;
    expect(ended, said(ended)).toMatchObject({ code: 3 });
    await gstg.expectRunning(GOOD);
  });
});

/** Takes a VM out of what Compute Engine knows. */
function takeOut(name: string): FakeVm {
  const index = google.compute.vms.findIndex((vm) => vm.name === name);
  const [vm] = index < 0 ? [] : google.compute.vms.splice(index, 1);
  if (vm === undefined) throw new Error(`there is no VM ${name}`);
  return vm;
}

function spotOf(vm: FakeVm): FakeVm {
  return { ...vm, provisioningModel: 'SPOT' };
}
