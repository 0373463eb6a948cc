/** Where the VMs of an environment are known from. */
import type { Host } from '../domain/host.ts';
import type { Result } from '../domain/result.ts';

/** The VMs of an environment at one time. */
export interface InventoryView {
  readonly hosts: readonly Host[];
  /**
   * Zones that could not be listed: what is there is unknown, which is not the same as nothing. `zone` is `us-east1-b`,
   * `PROJECT/us-east1-b` where it is one project's alone, `PROJECT/*` for a whole project, or `*` (domain/unknown-zones.ts).
   */
  readonly unknownZones: readonly { readonly zone: string; readonly why: string }[];
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface InventoryError {
  readonly kind: 'unavailable' | 'invalid';
  readonly message: string;
  readonly retryable: boolean;
}

export interface Inventory {
  /** Lists every VM. May be repeated. Called off by `signal`, it asks no more and answers soon, as `unavailable`. */
  list(options?: { readonly signal?: AbortSignal }): Promise<Result<InventoryView, InventoryError>>;
}
