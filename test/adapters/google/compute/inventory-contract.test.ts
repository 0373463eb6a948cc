import { staticInventory } from '../../../../src/adapters/static-inventory/static-inventory.ts';
import type { Host } from '../../../../src/domain/host.ts';
import { inventoryContract } from '../../../contract/inventory.ts';
import { fleetOf } from '../../../fakes/google/compute-fleet.ts';
import { manualClock } from '../../../fakes/manual-clock.ts';
import { startComputeRig } from './compute-rig.ts';

const VMS = fleetOf({ count: 24, zones: ['us-east1-b', 'us-east1-c'] }).map((vm, n) =>
  n % 5 === 4 ? { ...vm, status: 'TERMINATED' } : vm,
);

const THERE = VMS.map(({ id, name, zone, labels, status }) => ({
  id,
  name,
  zone,
  role: labels?.type ?? 'none',
  status: status === 'TERMINATED' ? ('TERMINATED' as const) : ('RUNNING' as const),
}));

inventoryContract('Compute Engine', async () => {
  const rig = await startComputeRig({ vms: VMS });
  const { compute } = rig;
  const indexOf = (id: string): number => compute.vms.findIndex((vm) => vm.id === id);
  return {
    open: () => rig.inventory(),
    now: () => rig.clock.now(),
    there: THERE,
    change: {
      remove: (id) => void compute.vms.splice(indexOf(id), 1),
      recreate(id, newId) {
        const [old] = compute.vms.splice(indexOf(id), 1);
        if (old !== undefined) compute.vms.push({ ...old, id: newId });
      },
    },
    ill: {
      zone: (zone) => void compute.unreachable.set(zone, 'warning'),
      away: () => compute.fault(/instances/, { kind: 'lost-reply' }, Number.POSITIVE_INFINITY),
      well: () => compute.calm(),
    },
    close: () => rig.close(),
  };
});

inventoryContract('a written list', async () => {
  const clock = manualClock();
  const hosts = THERE.map(
    (vm): Host => ({
      ...vm,
      address: `${vm.name}.example`,
      machineType: 'n2-standard-4',
      os: 'debian-12',
      labels: {},
      tags: [],
      metadata: {},
      spot: false,
    }),
  );
  return {
    open: () => staticInventory(hosts, clock),
    now: () => clock.now(),
    there: THERE,
    close: () => Promise.resolve(),
  };
});
