/** VMs by a small description, and as Compute Engine's API tells of them. */

export interface FakeVm {
  readonly id: string;
  readonly name: string;
  readonly zone: string;
  readonly project: string;
  /** Default RUNNING. */
  readonly status?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly tags?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
  /** Default `n2-standard-4`. */
  readonly machineType?: string;
  /** Last words of the boot disk's licences. Default `debian-12-bookworm`. */
  readonly licenses?: readonly string[];
  /** Of a second disk. */
  readonly dataLicenses?: readonly string[];
  /** Default 10.x by the id; null: none. */
  readonly internalAddress?: string | null;
  /** Default none. */
  readonly externalAddress?: string;
  readonly provisioningModel?: 'SPOT' | 'STANDARD';
  readonly preemptible?: boolean;
  /** RFC 3339. Default `2026-01-01T00:00:00.000-07:00`. */
  readonly createdAt?: string;
  /** Default `default`. */
  readonly network?: string;
  /** Keys that it publishes as guest attributes, type to base64; absent: none. */
  readonly hostKeys?: Readonly<Record<string, string>>;
}

export interface FleetDescription {
  readonly count: number;
  /** Default `sandbox`. */
  readonly project?: string;
  /** Dealt out in turn. Default three zones of us-east1. */
  readonly zones?: readonly string[];
  /** Values of the label `type`, dealt out in turn. Default `web`, `gitaly`, `redis`. */
  readonly roles?: readonly string[];
  /** One of so many is a GKE node. Default none. */
  readonly gkeOneIn?: number;
  /** Set on every VM. */
  readonly all?: Partial<FakeVm>;
}

export const ZONES = ['us-east1-b', 'us-east1-c', 'us-east1-d'];

/** A fleet whose ids, names and addresses are the same every time. */
export function fleetOf(description: FleetDescription): FakeVm[] {
  const { count, project = 'sandbox', zones = ZONES, roles = ['web', 'gitaly', 'redis'] } = description;
  return Array.from({ length: count }, (_, n) => {
    const role = roles[n % roles.length] ?? 'none';
    const isNode = description.gkeOneIn !== undefined && n % description.gkeOneIn === 0;
    const name = isNode ? `gke-${project}-pool-${n}` : `${role}-${String(n).padStart(5, '0')}`;
    return {
      id: String(4_000_000_000_000_000_001n + BigInt(n) * 7n),
      name,
      zone: zones[Math.floor(n / roles.length) % zones.length] ?? 'us-east1-b',
      project,
      labels: {
        type: role,
        environment: project,
        ...(isNode ? { 'goog-gke-node': '', 'goog-k8s-cluster-name': project } : {}),
      },
      tags: [role, 'ssh'],
      metadata: {
        'enable-guest-attributes': 'TRUE',
        'ssh-keys': `ops:ssh-ed25519 ${'A'.repeat(68)} ops`,
        ...(isNode ? { 'kube-env': 'SECRET: x\n'.repeat(40), 'cluster-name': project } : {}),
      },
      ...description.all,
    };
  });
}

const BASE = 'https://www.googleapis.com/compute/v1';

const rendered = new WeakMap<FakeVm, string>();

/** The resource as JSON text, as long and deep as a real one; made once a VM. */
export function instanceText(vm: FakeVm): string {
  const known = rendered.get(vm);
  if (known !== undefined) return known;
  const text = JSON.stringify(instanceOf(vm));
  rendered.set(vm, text);
  return text;
}

function instanceOf(vm: FakeVm): unknown {
  const { id, name, zone, project } = vm;
  const place = `${BASE}/projects/${project}/zones/${zone}`;
  const region = zone.replace(/-[a-z]+$/, '');
  const disk = (index: number, boot: boolean, licenses: readonly string[]) => ({
    kind: 'compute#attachedDisk',
    type: 'PERSISTENT',
    mode: 'READ_WRITE',
    source: `${place}/disks/${name}-${index}`,
    deviceName: `persistent-disk-${index}`,
    index,
    boot,
    autoDelete: boot,
    licenses: licenses.map((word) => `${BASE}/projects/some-cloud/global/licenses/${word}`),
    interface: 'SCSI',
    guestOsFeatures: [{ type: 'UEFI_COMPATIBLE' }, { type: 'VIRTIO_SCSI_MULTIQUEUE' }, { type: 'GVNIC' }],
    diskSizeGb: '50',
    shieldedInstanceInitialState: {},
    architecture: 'X86_64',
  });
  const internal = vm.internalAddress === undefined ? addressOf(id) : vm.internalAddress;
  return {
    kind: 'compute#instance',
    id,
    creationTimestamp: vm.createdAt ?? '2026-01-01T00:00:00.000-07:00',
    name,
    tags: { items: vm.tags ?? [], fingerprint: '42WmSpB8rSM=' },
    machineType: `${place}/machineTypes/${vm.machineType ?? 'n2-standard-4'}`,
    status: vm.status ?? 'RUNNING',
    zone: place,
    canIpForward: false,
    networkInterfaces: [
      {
        kind: 'compute#networkInterface',
        network: `${BASE}/projects/${project}/global/networks/${vm.network ?? 'default'}`,
        subnetwork: `${BASE}/projects/${project}/regions/${region}/subnetworks/default`,
        ...(internal === null ? {} : { networkIP: internal }),
        name: 'nic0',
        accessConfigs: [
          {
            kind: 'compute#accessConfig',
            type: 'ONE_TO_ONE_NAT',
            name: 'External NAT',
            networkTier: 'PREMIUM',
            ...(vm.externalAddress === undefined ? {} : { natIP: vm.externalAddress }),
          },
        ],
        fingerprint: 'f8T1FtC5yZI=',
        stackType: 'IPV4_ONLY',
      },
    ],
    disks: [
      disk(0, true, vm.licenses ?? ['debian-12-bookworm']),
      ...(vm.dataLicenses === undefined ? [] : [disk(1, false, vm.dataLicenses)]),
    ],
    metadata: {
      kind: 'compute#metadata',
      fingerprint: 'b7LJgXD1dAU=',
      ...(vm.metadata === undefined
        ? {}
        : { items: Object.entries(vm.metadata).map(([key, value]) => ({ key, value })) }),
    },
    serviceAccounts: [
      {
        email: `agent@${project}.iam.gserviceaccount.com`,
        scopes: ['https://www.googleapis.com/auth/cloud-platform'],
      },
    ],
    selfLink: `${place}/instances/${name}`,
    scheduling: {
      onHostMaintenance: 'MIGRATE',
      automaticRestart: true,
      preemptible: vm.preemptible ?? false,
      provisioningModel: vm.provisioningModel ?? 'STANDARD',
    },
    cpuPlatform: 'Intel Ice Lake',
    labels: vm.labels ?? {},
    labelFingerprint: '42WmSpB8rSM=',
    startRestricted: false,
    deletionProtection: true,
    shieldedInstanceConfig: {
      enableSecureBoot: false,
      enableVtpm: true,
      enableIntegrityMonitoring: true,
    },
    shieldedInstanceIntegrityPolicy: { updateAutoLearnPolicy: true },
    fingerprint: 'qZ3vX7sYl2k=',
    lastStartTimestamp: '2026-01-01T00:00:10.000-07:00',
    satisfiesPzi: true,
    resourceStatus: {},
  };
}

function addressOf(id: string): string {
  const number = Number(BigInt(id) % 16_000_000n);
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
}
