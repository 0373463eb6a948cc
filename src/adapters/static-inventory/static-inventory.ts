/** An inventory that is written down: the hosts that the environment's file lists, every time the same. */
import type { Host } from '../../domain/host.ts';
import { ok } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Inventory } from '../../ports/inventory.ts';

export function staticInventory(hosts: readonly Host[], clock: Clock): Inventory {
  return {
    list: () => Promise.resolve(ok({ hosts, unknownZones: [], at: clock.now() })),
  };
}
