/** Which hosts are asked who they are, before anything else: those of a cloud whose addresses are used again. */
import type { Environment } from '../domain/environment.ts';
import type { HostId } from '../domain/host.ts';
import type { HostOrder } from '../domain/host-order.ts';

/** The part of an order that has the host compare its instance id with the one that is meant; empty where it is not asked. */
export function meantInstance(
  { inventory }: Pick<Environment, 'inventory'>,
  id: HostId,
): Pick<HostOrder, 'instanceId'> {
  return inventory.kind === 'gce' && inventory.instanceCheck ? { instanceId: id } : {};
}
