/** An inventory whose whole listings are kept on this machine, for the night on which it does not answer. */
import type { Inventory } from '../../ports/inventory.ts';
import type { LastInventory } from '../../ports/last-inventory.ts';

/**
 * Answers as `inventory` does, and as soon: a state folder on a network disk that hangs must not keep an emergency from its list. A
 * process that ends by itself has written it by then.
 */
export function rememberListings(inventory: Inventory, last: LastInventory): Inventory {
  return {
    async list(options) {
      const listed = await inventory.list(options);
      if (listed.ok) void last.keep(listed.value);
      return listed;
    },
  };
}
