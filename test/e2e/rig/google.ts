/**
 * A fleet of real hosts that is "in Google Cloud": Compute Engine tells of them, buckets hold their packages and the journal,
 * each asks a metadata server who it is. Fakes over HTTP, real client libraries, real hosts.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FakeVm } from '../../fakes/google/compute-fleet.ts';
import { type FakeCompute, startComputeServer } from '../../fakes/google/compute-server.ts';
import { type FakeIdentity, startIdentity } from '../../fakes/google/identity.ts';
import { type FakeMetadataServer, startFakeMetadataServer } from '../../fakes/google/metadata-server.ts';
import { type FakeStorage, startStorageServer } from '../../fakes/google/storage-server.ts';
import type { Fleet } from './fleet.ts';
import type { RigHost } from './host.ts';
import { rigSettings } from './settings.ts';

/** The service account that the VMs run as. */
export const VM_ACCOUNT = 'vm@sandbox.iam.gserviceaccount.com';

export interface GoogleOptions {
  readonly fleet: Fleet;
  /** For the key file and an empty known_hosts. */
  readonly folder: string;
  /** VMs beyond the real hosts. */
  readonly others?: readonly FakeVm[];
}

export class RigGoogle {
  readonly identity: FakeIdentity;
  readonly compute: FakeCompute;
  readonly storage: FakeStorage;
  readonly metadata: FakeMetadataServer;
  readonly #folder: string;

  private constructor(parts: {
    identity: FakeIdentity;
    compute: FakeCompute;
    storage: FakeStorage;
    metadata: FakeMetadataServer;
    folder: string;
  }) {
    this.identity = parts.identity;
    this.compute = parts.compute;
    this.storage = parts.storage;
    this.metadata = parts.metadata;
    this.#folder = parts.folder;
  }

  static async start({ fleet, folder, others = [] }: GoogleOptions): Promise<RigGoogle> {
    const { net } = rigSettings();
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'no_known_hosts'), '');
    const identity = await startIdentity({ folder });
    const vms = [...(await Promise.all(fleet.hosts.map(vmOf))), ...others];
    const compute = await startComputeServer({ vms });
    const storage = await startStorageServer({
      listen: '0.0.0.0',
      publicKeys: { [identity.email]: identity.publicKey },
      buckets: bucketsOf(fleet).map((name) => ({ name, versioning: true, uniformAccess: true })),
    });
    const instances = Object.fromEntries(
      fleet.hosts.map(({ address, id }) => [address, { id, email: VM_ACCOUNT }]),
    );
    // The hosts have it as metadata.google.internal (host.sh).
    const metadata = await startFakeMetadataServer({ listen: `${net}.1`, port: 80, instances });
    return new RigGoogle({ identity, compute, storage, metadata, folder });
  }

  /** What the program is to have in its environment. */
  get env(): Readonly<Record<string, string>> {
    return {
      ROLLOUT_COMPUTE_ENDPOINT: this.compute.url,
      ROLLOUT_STORAGE_ENDPOINT: this.storage.url,
      ROLLOUT_IAMCREDENTIALS_ENDPOINT: this.identity.url,
      METADATA_SERVER_DETECTION: 'none',
    };
  }

  /** Laid over an environment's configuration: everything of it is in Google Cloud, and no host key is known beforehand. */
  settings(
    environment: string,
    delivery: 'signed-url' | 'service-account' | 'sftp',
  ): Readonly<Record<string, unknown>> {
    const credentials = { keyFile: this.identity.keyFile };
    const { port } = new URL(this.storage.url);
    const fetchFrom = `http://${rigSettings().net}.1:${port}`;
    return {
      inventory: {
        kind: 'gce',
        projects: [projectOf(environment)],
        roleLabel: 'type',
        hosts: undefined,
        credentials,
      },
      artifacts: {
        kind: 'gcs',
        bucket: bucketOf(environment),
        prefix: 'uptycs',
        delivery,
        path: undefined,
        ...(delivery === 'sftp' ? {} : { fetchFrom }),
        credentials,
      },
      journal: {
        kind: 'gcs',
        bucket: bucketOf(environment),
        prefix: 'rollout/journal',
        path: undefined,
        credentials,
      },
      ssh: { knownHosts: [join(this.#folder, 'no_known_hosts')] },
    };
  }

  async close(): Promise<void> {
    await Promise.all([
      this.identity.close(),
      this.compute.close(),
      this.storage.close(),
      this.metadata.close(),
    ]);
  }
}

export function projectOf(environment: string): string {
  return `gitlab-${environment}`;
}

export function bucketOf(environment: string): string {
  return `gitlab-${environment}-security`;
}

function bucketsOf(fleet: Fleet): string[] {
  return [...new Set(fleet.hosts.map((host) => bucketOf(host.spec.environment)))];
}

async function vmOf(host: RigHost): Promise<FakeVm> {
  const { type, base64 } = await host.publicKey();
  return {
    id: host.id,
    name: host.name,
    zone: host.spec.zone,
    project: projectOf(host.spec.environment),
    labels: { type: host.spec.role },
    metadata: { 'enable-guest-attributes': 'TRUE' },
    internalAddress: host.address,
    hostKeys: { [type]: base64 },
  };
}
