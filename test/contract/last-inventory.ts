/** What every LastInventory does, whatever it is made of. Run on the fake and on the file. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Host } from '../../src/domain/host.ts';
import type { InventoryView } from '../../src/ports/inventory.ts';
import type { LastInventory } from '../../src/ports/last-inventory.ts';

/** One that has seen nothing. */
export interface LastInventoryHarness {
  /** Another process on the same machine. */
  open(): LastInventory;
  close(): Promise<void>;
}

/** Every field, the optional ones too. */
export const WHOLE_HOST: Required<Host> = {
  id: '9007199254740993',
  name: 'web-01',
  address: '10.0.0.1',
  port: 2222,
  zone: 'us-east1-b',
  role: 'web',
  machineType: 'n2-standard-4',
  os: 'debian-12',
  status: 'RUNNING',
  labels: { type: 'web', __proto__x: 'é' },
  tags: ['a', ''],
  metadata: { 'created-by': 'x' },
  spot: true,
  project: 'my-project',
  createdAt: 1_700_000_000_000,
  network: 'default',
  internalAddress: '10.0.0.1',
  externalAddress: '',
  licenses: ['debian-12-bookworm'],
};

export function bareHost(id: string): Host {
  const { id: _, name: __, ...rest } = WHOLE_HOST;
  const { zone, role, machineType, os, labels, tags, metadata, spot, address } = rest;
  return {
    id,
    name: `h-${id}`,
    zone,
    role,
    machineType,
    os,
    status: 'TERMINATED',
    labels,
    tags,
    metadata,
    spot,
    address,
  };
}

export function viewOf(hosts: readonly Host[], at = 1_700_000_000_000): InventoryView {
  return { hosts, at, unknownZones: [] };
}

export function lastInventoryContract(name: string, make: () => Promise<LastInventoryHarness>): void {
  describe(`${name} is a last inventory`, () => {
    let harness: LastInventoryHarness;
    beforeEach(async () => {
      harness = await make();
    });
    afterEach(() => harness.close());

    it('has none before the first listing', async () => {
      expect(await harness.open().last()).toBeNull();
    });

    it('gives another process the listing, with every field of every host', async () => {
      const view = viewOf([WHOLE_HOST, bareHost('2')]);
      await harness.open().keep(view);
      expect(await harness.open().last()).toEqual(view);
    });

    it('keeps the last one, in the order of calls', async () => {
      const last = harness.open();
      await Promise.all([1, 2, 3, 4].map((at) => last.keep(viewOf([bareHost(String(at))], at))));
      expect(await harness.open().last()).toEqual(viewOf([bareHost('4')], 4));
    });

    it('keeps no listing of which zones are unknown', async () => {
      const last = harness.open();
      await last.keep(viewOf([bareHost('1'), bareHost('2')]));
      await last.keep({
        ...viewOf([bareHost('1')], 2e12),
        unknownZones: [{ zone: 'us-east1-b', why: 'timeout' }],
      });
      expect((await last.last())?.hosts).toHaveLength(2);
    });
  });
}
