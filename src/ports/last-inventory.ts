/** The last whole listing that this machine has seen: what an emergency falls back on when the cloud does not answer. */
import type { InventoryView } from './inventory.ts';

/** One environment's. */
export interface LastInventory {
  /** Keeps it unless zones of it are unknown; never throws, and a failure costs nothing but the fallback. */
  keep(view: InventoryView): Promise<void>;
  /** Null: there is none, or it cannot be read. */
  last(): Promise<InventoryView | null>;
}
