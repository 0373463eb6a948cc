/** Wires what of an environment lies in Google Cloud. Loaded only where some environment has any of it: it is 30 ms of a start. */
import { systemClock } from '../adapters/clock/system-clock.ts';
import type { GoogleAccess } from '../adapters/google/access.ts';
import { guestAttributeKeys } from '../adapters/google/compute/guest-attributes.ts';
import { gceInventory } from '../adapters/google/compute/inventory.ts';
import { endpointsFrom } from '../adapters/google/endpoints.ts';
import { osLoginUser } from '../adapters/google/os-login.ts';
import { googleBucket } from '../adapters/google/storage/bucket.ts';
import { gcsJournal } from '../adapters/google/storage/journal.ts';
import { gcsLease } from '../adapters/google/storage/lease.ts';
import { gcsStore } from '../adapters/google/storage/store.ts';
import { systemProcesses } from '../adapters/local-lease/process-table.ts';
import type { GoogleCredentials } from '../domain/cloud.ts';
import type { Environment } from '../domain/environment.ts';
import type { Result } from '../domain/result.ts';
import type { EngineContext } from '../engine/context.ts';
import type { ArtifactStore } from '../ports/artifact-store.ts';
import type { HostKeySource } from '../ports/host-keys.ts';
import type { Inventory } from '../ports/inventory.ts';
import type { Invocation } from './invocation.ts';

type Of<Part extends 'journal' | 'artifacts' | 'inventory', Kind> = Extract<
  Environment[Part],
  { readonly kind: Kind }
>;

export function googleRecord(
  journal: Of<'journal', 'gcs'>,
  invocation: Invocation,
): Pick<EngineContext, 'journal' | 'lease'> {
  const clock = systemClock;
  const { hostname, pid } = invocation;
  const access = accessFor(journal.credentials, invocation);
  const objects = googleBucket({ place: journal, access, clock });
  return {
    journal: gcsJournal({ objects, clock }),
    lease: gcsLease({ objects, clock, hostname, pid, processes: systemProcesses }),
  };
}

export function googleStore(
  artifacts: Of<'artifacts', 'gcs'>,
  environment: string,
  invocation: Invocation,
): ArtifactStore {
  const clock = systemClock;
  const access = accessFor(artifacts.credentials, invocation);
  const objects = googleBucket({ place: artifacts, access, clock });
  return gcsStore({ objects, settings: artifacts, environment, clock });
}

export function googleInventory(settings: Of<'inventory', 'gce'>, invocation: Invocation): Inventory {
  const access = accessFor(settings.credentials, invocation);
  return gceInventory({ settings, access, clock: systemClock });
}

/** Who hosts are, and who we are to them. */
export function googleIdentity(
  inventory: Of<'inventory', 'gce'>,
  osLogin: boolean,
  cacheFolder: string,
  invocation: Invocation,
): { hostKeys?: HostKeySource; userName?: () => Promise<Result<string, string>> } {
  const access = accessFor(inventory.credentials, invocation);
  return {
    ...(inventory.publishedHostKeys
      ? { hostKeys: guestAttributeKeys({ access, clock: systemClock, cacheFolder }) }
      : {}),
    ...(osLogin ? { userName: osLoginUser(access) } : {}),
  };
}

function accessFor(credentials: GoogleCredentials, { env }: Invocation): GoogleAccess {
  const endpoints = endpointsFrom(env);
  // Session.open has refused a wrong one.
  if (!endpoints.ok) throw new Error(`bug: unchecked endpoint: ${endpoints.error}`);
  return { credentials, endpoints: endpoints.value };
}
