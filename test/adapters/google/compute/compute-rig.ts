/** Compute Engine and Google's sign-in on loopback, for one test file. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GoogleAccess } from '../../../../src/adapters/google/access.ts';
import { gceInventory } from '../../../../src/adapters/google/compute/inventory.ts';
import type { GceInventorySettings } from '../../../../src/domain/cloud.ts';
import type { Inventory, InventoryError, InventoryView } from '../../../../src/ports/inventory.ts';
import type { FakeVm } from '../../../fakes/google/compute-fleet.ts';
import {
  type ComputeServerOptions,
  type FakeCompute,
  startComputeServer,
} from '../../../fakes/google/compute-server.ts';
import { type FakeIdentity, startIdentity } from '../../../fakes/google/identity.ts';
import { type ManualClock, manualClock } from '../../../fakes/manual-clock.ts';

export interface ComputeRig {
  readonly folder: string;
  readonly identity: FakeIdentity;
  readonly compute: FakeCompute;
  readonly access: GoogleAccess;
  /** Waits cost no time. */
  readonly clock: ManualClock;
  inventory(settings?: Partial<GceInventorySettings>, requestMs?: number): Inventory;
  close(): Promise<void>;
}

export async function startComputeRig(options: ComputeServerOptions = {}): Promise<ComputeRig> {
  const folder = await mkdtemp(join(tmpdir(), 'rollout-compute-'));
  const identity = await startIdentity({ folder });
  const compute = await startComputeServer(options);
  const credentials = { keyFile: identity.keyFile };
  const access: GoogleAccess = { credentials, endpoints: { compute: compute.url }, signInMs: 500 };
  const clock = manualClock({ autoAdvance: true });
  return {
    folder,
    identity,
    compute,
    access,
    clock,
    inventory: (settings = {}, requestMs = 5_000) =>
      gceInventory({
        settings: {
          kind: 'gce',
          projects: ['sandbox'],
          roleLabel: 'type',
          address: '{internal}',
          publishedHostKeys: true,
          instanceCheck: true,
          credentials,
          ...settings,
        },
        access,
        clock,
        requestMs,
      }),
    async close() {
      await compute.close();
      await identity.close();
      await rm(folder, { recursive: true });
    },
  };
}

export async function viewOf(inventory: Inventory): Promise<InventoryView> {
  const listed = await inventory.list();
  if (!listed.ok) throw new Error(listed.error.message);
  return listed.value;
}

export async function errorOf(inventory: Inventory): Promise<InventoryError> {
  const listed = await inventory.list();
  if (listed.ok) throw new Error(`${listed.value.hosts.length} hosts were listed`);
  return listed.error;
}

export function vm(over: Partial<FakeVm> & { readonly id: string }): FakeVm {
  return { name: `vm-${over.id}`, zone: 'us-east1-b', project: 'sandbox', ...over };
}
