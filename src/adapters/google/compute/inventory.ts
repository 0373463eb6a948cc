/** The VMs of Compute Engine, of several projects, with every page; a zone that cannot be listed is unknown. */
import type { GceInventorySettings } from '../../../domain/cloud.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Inventory } from '../../../ports/inventory.ts';
import type { GoogleAccess } from '../access.ts';

export interface GceInventoryOptions {
  readonly settings: GceInventorySettings;
  readonly access: GoogleAccess;
  readonly clock: Clock;
}

export function gceInventory(_options: GceInventoryOptions): Inventory {
  throw new Error('being built');
}
