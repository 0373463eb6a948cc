import { afterEach, describe, expect, it } from 'vitest';
import type { GceInventorySettings } from '../../../../src/domain/cloud.ts';
import type { Host } from '../../../../src/domain/host.ts';
import type { FakeVm } from '../../../fakes/google/compute-fleet.ts';
import { type ComputeRig, startComputeRig, viewOf, vm } from './compute-rig.ts';

let rig: ComputeRig | undefined;
afterEach(() => rig?.close());

/** The VMs as the inventory gives them, in the order of their ids. */
async function hostsOf(
  vms: readonly FakeVm[],
  settings: Partial<GceInventorySettings> = {},
): Promise<Host[]> {
  rig = await startComputeRig({ vms });
  const { hosts } = await viewOf(rig.inventory(settings));
  return [...hosts].sort((a, b) => Number(BigInt(a.id) - BigInt(b.id)));
}

async function hostOf(over: Partial<FakeVm>, settings: Partial<GceInventorySettings> = {}): Promise<Host> {
  const [host] = await hostsOf([vm({ id: '7', ...over })], settings);
  if (host === undefined) throw new Error('no host');
  return host;
}

describe('a VM of Compute Engine', () => {
  it('is a host with everything that targeting may ask for', async () => {
    const host = await hostOf({
      id: '9223372036854775809',
      name: 'web-01',
      labels: { type: 'web', env: 'gprd' },
      tags: ['web', 'ssh'],
      metadata: { 'created-by': 'projects/1/zones/us-east1-b/instanceGroupManagers/web' },
      externalAddress: '203.0.113.9',
      createdAt: '2026-02-03T04:05:06.789-07:00',
      network: 'prod',
      dataLicenses: ['debian-12-bookworm', 'some-data'],
    });
    expect(host).toEqual({
      id: '9223372036854775809',
      name: 'web-01',
      address: host.internalAddress,
      zone: 'us-east1-b',
      role: 'web',
      machineType: 'n2-standard-4',
      os: 'debian-12',
      status: 'RUNNING',
      labels: { type: 'web', env: 'gprd' },
      tags: ['web', 'ssh'],
      metadata: { 'created-by': 'projects/1/zones/us-east1-b/instanceGroupManagers/web' },
      spot: false,
      project: 'sandbox',
      createdAt: Date.parse('2026-02-03T11:05:06.789Z'),
      network: 'prod',
      internalAddress: expect.stringMatching(/^10\./),
      externalAddress: '203.0.113.9',
      licenses: ['debian-12-bookworm', 'some-data'],
    });
  });

  it('keeps ids exactly, though they exceed what a number holds', async () => {
    const hosts = await hostsOf([vm({ id: '9007199254740993' }), vm({ id: '18446744073709551615' })]);
    expect(hosts.map(({ id }) => id)).toEqual(['9007199254740993', '18446744073709551615']);
  });

  it('without the role’s label has the role none, also when the label is called like a part of every object', async () => {
    expect((await hostOf({})).role).toBe('none');
    await rig?.close();
    expect((await hostOf({}, { roleLabel: 'constructor' })).role).toBe('none');
    await rig?.close();
    expect((await hostOf({ labels: { type: '' } })).role).toBe('none');
  });

  it('that may vanish is spot, by either way to say so', async () => {
    const hosts = await hostsOf([
      vm({ id: '1', provisioningModel: 'SPOT' }),
      vm({ id: '2', preemptible: true }),
      vm({ id: '3' }),
    ]);
    expect(hosts.map(({ spot }) => spot)).toEqual([true, true, false]);
  });

  it('of any status is listed; a status that is new to us is not running', async () => {
    const words = ['TERMINATED', 'SUSPENDED', 'DEPROVISIONING', 'PENDING', 'STOPPED', 'DREAMING'];
    const hosts = await hostsOf(words.map((status, n) => vm({ id: String(n + 1), status })));
    expect(hosts.map(({ status }) => status)).toEqual([
      'TERMINATED',
      'SUSPENDED',
      'STOPPING',
      'PROVISIONING',
      'TERMINATED',
      'REPAIRING',
    ]);
  });

  it.each([
    [['debian-12-bookworm'], 'debian-12'],
    [['ubuntu-2204-lts'], 'ubuntu-2204'],
    [['ubuntu-pro-2404-lts'], 'ubuntu-2404'],
    [['cos-pcid', 'cos'], 'cos-pcid'],
    [['windows-server-2022-dc'], 'windows-server-2022-dc'],
    [['rhel-9-server'], 'rhel-9'],
    [['rocky-linux-9'], 'rocky-linux-9'],
    [['enable-vmx', 'debian-11-bullseye'], 'debian-11'],
    [['our-own-image'], 'our-own-image'],
    [[], 'unknown'],
  ])('with the licences %j runs %s', async (licenses, os) => {
    expect((await hostOf({ licenses })).os).toBe(os);
  });
});

describe('the address', () => {
  it('is what the template says', async () => {
    const host = await hostOf({ name: 'web-01' }, { address: '{name}.{zone}.c.{project}.internal' });
    expect(host.address).toBe('web-01.us-east1-b.c.sandbox.internal');
  });

  it('that a running VM lacks is a name that cannot resolve and says what is missing, never an empty one', async () => {
    const hosts = await hostsOf(
      [
        vm({ id: '1', name: 'a', externalAddress: '203.0.113.9' }),
        vm({ id: '2', name: 'b' }),
        vm({ id: '3', name: 'c', status: 'TERMINATED' }),
      ],
      { address: '{external}' },
    );
    expect(hosts.map(({ address }) => address)).toEqual([
      '203.0.113.9',
      'b.has-no-external-address.invalid',
      '',
    ]);
    await rig?.close();
    expect((await hostOf({ internalAddress: null })).address).toBe('vm-7.has-no-internal-address.invalid');
  });
});

describe('metadata', () => {
  it('keeps every key, and no value that may be a secret or a program', async () => {
    const secret = 'S3CRET';
    const { metadata } = await hostOf({
      metadata: {
        'created-by': 'projects/1/zones/z/instanceGroupManagers/gke-x-grp',
        'cluster-name': 'main',
        'cluster-location': 'us-east1',
        'gci-update-strategy': 'update_disabled',
        environment: 'gprd',
        'enable-oslogin': 'TRUE',
        'block-project-ssh-keys': 'true',
        'kube-env': secret,
        'kube-labels': secret,
        'startup-script': secret,
        'startup-script-url': secret,
        'windows-startup-script-ps1': secret,
        'ssh-keys': secret,
        sshKeys: secret,
        'user-data': secret,
        'db-password': secret,
        API_TOKEN: secret,
        'chef-validation-key': secret,
        'sentry-dsn': secret,
        'configure-sh': secret,
        DB_ENV: secret,
        'redis-pwd': secret,
        DB_PASS: secret,
        'storage-connection': secret,
        odbc: `Server=db;Uid=x;Password=${secret}`,
        settings: `{"apiKey": "${secret}"}`,
        database: `postgres://u:${secret}@db/x`,
        long: secret.repeat(50),
        lines: `a\n${secret}`,
      },
    });
    expect(JSON.stringify(metadata)).not.toContain(secret);
    expect(Object.keys(metadata)).toHaveLength(29);
    expect(Object.entries(metadata).filter(([, value]) => value !== '')).toEqual([
      ['created-by', 'projects/1/zones/z/instanceGroupManagers/gke-x-grp'],
      ['cluster-name', 'main'],
      ['cluster-location', 'us-east1'],
      ['gci-update-strategy', 'update_disabled'],
      ['environment', 'gprd'],
      ['enable-oslogin', 'TRUE'],
      ['block-project-ssh-keys', 'true'],
    ]);
  });

  it('with a key called __proto__ harms nothing', async () => {
    const { metadata } = await hostOf({ metadata: JSON.parse('{"__proto__":"x","constructor":"y"}') });
    expect(({} as Record<string, unknown>).x).toBeUndefined();
    expect(metadata.constructor).toBe('y');
  });
});
