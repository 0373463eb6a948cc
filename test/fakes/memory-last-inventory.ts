/** The last listing that a machine has seen, in memory. */
import type { InventoryView } from '../../src/ports/inventory.ts';
import type { LastInventory } from '../../src/ports/last-inventory.ts';

export interface MemoryLastInventory extends LastInventory {
  view: InventoryView | null;
}

export function memoryLastInventory(): MemoryLastInventory {
  const kept: MemoryLastInventory = {
    view: null,
    async keep(view) {
      if (view.unknownZones.length === 0) kept.view = view;
    },
    async last() {
      return kept.view;
    },
  };
  return kept;
}
