/** The last inventory in memory does what every last inventory does. */
import { lastInventoryContract } from '../contract/last-inventory.ts';
import { memoryLastInventory } from './memory-last-inventory.ts';

lastInventoryContract('the last inventory in memory', async () => {
  const last = memoryLastInventory();
  return { open: () => last, close: async () => undefined };
});
