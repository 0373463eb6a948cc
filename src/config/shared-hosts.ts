/**
 * A VM that two environments would both change: in one it waits for its canary's verdict, in the other it is restarted.
 *
 * Only what the files alone tell is said here: the same instance id in two lists, or the same projects with nothing that tells
 * the two fleets apart. Environments of different agents may share their VMs.
 */
import type { Environment } from '../domain/environment.ts';
import { evaluate, parseExpression } from '../domain/expression.ts';
import type { Host, HostId } from '../domain/host.ts';
import { type Fault, fault } from './problem.ts';

/** Faults by the name of the environment: the later one of two, in the order given. */
export function sharedHostFaults(
  environments: readonly Environment[],
): ReadonlyMap<string, readonly Fault[]> {
  const found = new Map<string, readonly Fault[]>();
  environments.forEach((later, index) => {
    const faults = environments
      .slice(0, index)
      .filter((earlier) => sameAgent(earlier, later))
      .flatMap((earlier) => faultsBetween(earlier, later));
    if (faults.length > 0) found.set(later.name, faults);
  });
  return found;
}

function sameAgent(
  { policy: { agent: one } }: Environment,
  { policy: { agent: other } }: Environment,
): boolean {
  return one.package === other.package || one.service === other.service;
}

function faultsBetween(earlier: Environment, later: Environment): Fault[] {
  if (earlier.inventory.kind === 'static' && later.inventory.kind === 'static')
    return sharedIds(earlier, earlier.inventory.hosts, later, later.inventory.hosts);
  if (earlier.inventory.kind !== 'gce' || later.inventory.kind !== 'gce') return [];
  const { projects, zones, filter } = earlier.inventory;
  const { inventory } = later;
  const index = inventory.projects.findIndex((project) => projects.includes(project));
  const apart =
    filter !== inventory.filter ||
    earlier.targeting.include !== later.targeting.include ||
    (zones !== undefined && inventory.zones?.some((zone) => zones.includes(zone)) === false);
  if (index < 0 || apart) return [];
  return [
    fault(
      ['inventory', 'projects', index],
      `${earlier.name} has the VMs of this project too, and nothing tells the two fleets apart; give each its own`,
      {
        ...(inventory.projects[index] === undefined ? {} : { found: inventory.projects[index] }),
        allowed: ['targeting.include', 'inventory.filter', 'inventory.zones'],
      },
    ),
  ];
}

function sharedIds(
  earlier: Environment,
  before: readonly Host[],
  later: Environment,
  hosts: readonly Host[],
): Fault[] {
  const taken = new Set<HostId>(before.filter(ofFleet(earlier)).map((host) => host.id));
  const isIn = ofFleet(later);
  const shared = hosts.filter((host) => taken.has(host.id) && isIn(host));
  const [first] = shared;
  if (first === undefined) return [];
  const more = shared.length === 1 ? '' : ` and ${shared.length - 1} more`;
  return [
    fault(
      ['inventory'],
      `${earlier.name} has the VM ${first.name} (id ${first.id})${more} too; a VM belongs to one environment`,
      { part: 'key', allowed: ['another id', 'targeting.include in both, so that they do not overlap'] },
    ),
  ];
}

function ofFleet({ targeting }: Environment): (host: Host) => boolean {
  const include = parseExpression(targeting.include);
  // The schema has parsed it before.
  if (!include.ok) throw new Error(`bug: unchecked expression: ${include.error.message}`);
  return (host) => evaluate(include.value, host);
}
