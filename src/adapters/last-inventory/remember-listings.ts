/** An inventory whose whole listings are kept on this machine, for the night on which it does not answer. */
import type { Inventory } from '../../ports/inventory.ts';
import type { LastInventory } from '../../ports/last-inventory.ts';

/** Answers as `inventory` does. */
export function rememberListings(inventory: Inventory, last: LastInventory): Inventory {
  return {
    async list(options) {
      const listed = await inventory.list(options);
      if (listed.ok) await last.keep(listed.value);
      return listed;
    },
  };
}
