/** All that a use case may reach, for one environment. Wired once by the CLI; tests wire fakes. */
import type { Environment } from '../domain/environment.ts';
import type { Tell } from '../domain/event.ts';
import type { Actor, Digest } from '../domain/journal.ts';
import type { ArtifactStore } from '../ports/artifact-store.ts';
import type { Clock } from '../ports/clock.ts';
import type { Inventory } from '../ports/inventory.ts';
import type { JournalStore } from '../ports/journal.ts';
import type { LastInventory } from '../ports/last-inventory.ts';
import type { Lease } from '../ports/lease.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Outbox } from '../ports/outbox.ts';
import type { Remote } from '../ports/remote.ts';
import type { RoleFiles } from '../ports/role-files.ts';
import type { Witness } from '../ports/witness.ts';

export interface EngineContext {
  readonly environment: Environment;
  readonly journal: JournalStore;
  readonly lease: Lease;
  readonly store: ArtifactStore;
  readonly inventory: Inventory;
  readonly remote: Remote;
  readonly metrics: Metrics;
  /** By their names in the environment's file; absent: there are none. */
  readonly witnesses?: ReadonlyMap<string, Witness>;
  readonly clock: Clock;
  /** sha256 of a text, lower-case hex. */
  readonly digest: Digest;
  readonly tell: Tell;
  readonly actor: Actor;
}

/** What the lifecycle reaches besides. */
export interface LifecycleContext extends EngineContext {
  readonly outbox: Outbox;
  readonly lastInventory: LastInventory;
  readonly roleFiles: RoleFiles;
}

/** An expected failure of a use case, in words for a person. `exit` says how the command ends. */
export interface Refusal {
  readonly code: string;
  /** failed 1, usage 2, held 4, locked 6, interrupted 130. */
  readonly exit: 'failed' | 'usage' | 'held' | 'locked' | 'interrupted';
  readonly message: string;
  /** One line each: the hosts, zones or files concerned. */
  readonly details: readonly string[];
  /** What to type next. */
  readonly next?: string;
}

export function refuse(
  exit: Refusal['exit'],
  code: string,
  message: string,
  more: { readonly details?: readonly string[]; readonly next?: string } = {},
): Refusal {
  return {
    exit,
    code,
    message,
    details: more.details ?? [],
    ...(more.next === undefined ? {} : { next: more.next }),
  };
}
