/** What every Inventory does, whatever it is made of. Run on a written list, and on each cloud's over its fake. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Host } from '../../src/domain/host.ts';
import type { Inventory, InventoryView } from '../../src/ports/inventory.ts';

/** One fleet of two zones and some dozen VMs, running and stopped, and what can befall it. */
export interface InventoryHarness {
  open(): Inventory;
  /** Wall time as the inventory knows it, ms since the epoch. */
  now(): number;
  /** The VMs that are there, by id, with the attributes that any inventory tells. */
  readonly there: readonly Pick<Host, 'id' | 'name' | 'zone' | 'role' | 'status'>[];
  /** Absent where VMs neither come nor go. */
  readonly change?: {
    remove(id: string): void;
    /** Another VM under the name and in the zone of this one, which is no more. */
    recreate(id: string, newId: string): void;
  };
  /** Absent where nothing can fail. */
  readonly ill?: {
    /** From now on this zone cannot be listed. */
    zone(zone: string): void;
    /** From now on nothing answers. */
    away(): void;
    well(): void;
  };
  close(): Promise<void>;
}

export function inventoryContract(name: string, make: () => Promise<InventoryHarness>): void {
  describe(`${name} is an inventory`, () => {
    let harness: InventoryHarness;
    beforeEach(async () => {
      harness = await make();
    });
    afterEach(() => harness.close());

    const listed = async (inventory = harness.open()): Promise<InventoryView> => {
      const answer = await inventory.list();
      if (!answer.ok) throw new Error(answer.error.message);
      return answer.value;
    };
    const idsOf = (view: InventoryView): string[] => view.hosts.map(({ id }) => id).sort();
    const idsThere = (): string[] => harness.there.map(({ id }) => id).sort();

    it('lists every VM once, whatever it does, and says when', async () => {
      const view = await listed();
      expect(idsOf(view)).toEqual(idsThere());
      expect(view.unknownZones).toEqual([]);
      expect(view.at).toBe(harness.now());
    });

    it('tells of each VM what it is', async () => {
      const byId = new Map((await listed()).hosts.map((host) => [host.id, host]));
      for (const vm of harness.there) expect(byId.get(vm.id)).toMatchObject(vm);
    });

    it('gives every running VM something to connect to, and none this machine itself', async () => {
      const running = (await listed()).hosts.filter(({ status }) => status === 'RUNNING');
      expect(running.length).toBeGreaterThan(0);
      expect(running.map(({ address }) => address)).not.toContain('');
    });

    it('may be asked again, and by two at once', async () => {
      const inventory = harness.open();
      const [one, two] = await Promise.all([listed(inventory), listed(inventory)]);
      expect(idsOf(one)).toEqual(idsThere());
      expect(idsOf(two)).toEqual(idsThere());
      expect(idsOf(await listed(inventory))).toEqual(idsThere());
    });

    it('shows at the next list who is gone, where VMs can go', async () => {
      const [first] = harness.there;
      if (first === undefined || harness.change === undefined) {
        expect(harness.change).toBeUndefined();
        return;
      }
      const inventory = harness.open();
      await listed(inventory);
      harness.change.remove(first.id);
      expect(idsOf(await listed(inventory))).toEqual(idsThere().filter((id) => id !== first.id));
    });

    it('takes a VM made anew under an old name for another host, where VMs can be made', async () => {
      const [first] = harness.there;
      if (first === undefined || harness.change === undefined) {
        expect(harness.change).toBeUndefined();
        return;
      }
      harness.change.recreate(first.id, '777');
      const named = (await listed()).hosts.filter(
        ({ name, zone }) => name === first.name && zone === first.zone,
      );
      expect(named.map(({ id }) => id)).toEqual(['777']);
    });

    it('calls a zone that cannot be listed unknown, and lists the others', async () => {
      const [first] = harness.there;
      if (first === undefined || harness.ill === undefined) {
        expect(harness.ill).toBeUndefined();
        return;
      }
      harness.ill.zone(first.zone);
      const view = await listed();
      const others = harness.there.filter(({ zone }) => zone !== first.zone);
      expect(idsOf(view)).toEqual(others.map(({ id }) => id).sort());
      expect(view.unknownZones).toHaveLength(1);
      expect(view.unknownZones[0]?.zone.endsWith(first.zone)).toBe(true);
      expect(view.unknownZones[0]?.why).not.toBe('');
    });

    it('that is away is an error that may be tried again, never an empty fleet; and comes back', async () => {
      if (harness.ill === undefined) {
        expect(idsOf(await listed())).toEqual(idsThere());
        return;
      }
      const inventory = harness.open();
      harness.ill.away();
      expect(await inventory.list()).toMatchObject({
        ok: false,
        error: { kind: 'unavailable', retryable: true, message: expect.stringMatching(/\S/) },
      });
      harness.ill.well();
      expect(idsOf(await listed(inventory))).toEqual(idsThere());
    });
  });
}
