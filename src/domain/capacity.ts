/**
 * Which hosts may be taken out of service now. Pure.
 *
 * C1  Hosts out of service, with the batch added, never exceed the bound of the environment, of a zone or of a role.
 * C2  A host that does not answer counts as out of service: nobody has seen it serve.
 * C3  A bound in percent is of those who are there: VMs that are gone count no more, or a group that makes its VMs anew would
 *     count twice and lose twice as many at once.
 */
import { hostsAllowed } from './planning.ts';
import type { HostProgress, HostState, RolloutState } from './state.ts';

const OUT_OF_SERVICE: ReadonlySet<HostState> = new Set<HostState>([
  'installing',
  'failed',
  'unreachable',
  'reverting',
  'revert-failed',
]);

/** Out of service, as far as anybody knows. A skipped host that was touched has never been proven either. */
export function isOutOfService(host: HostProgress): boolean {
  if (host.state === 'skipped') return host.touched;
  // Looked at again and found with neither version in order: to be changed again, but not serving.
  if (host.state === 'pending') return host.touched && host.outcome?.kind === 'failed';
  return OUT_OF_SERVICE.has(host.state);
}

/** Numbers of hosts: how many there are, or how many more may go out of service. */
interface Room {
  environment: number;
  readonly zones: Map<string, number>;
  readonly roles: Map<string, number>;
}

/**
 * Takes candidates in order as long as there is room, at most `most`. A candidate that is out of service already
 * takes no further room.
 */
export function batchWithin(
  rollout: RolloutState,
  candidates: readonly HostProgress[],
  most: number,
): HostProgress[] {
  const room = roomLeft(rollout);
  const batch: HostProgress[] = [];
  for (const candidate of candidates) {
    if (batch.length >= most) break;
    const zone = room.zones.get(candidate.host.zone) ?? 0;
    const role = room.roles.get(candidate.host.role) ?? 0;
    if (isOutOfService(candidate)) {
      // Silent and never changed, it may well serve: where others are out beyond the bound it must not join them.
      if (candidate.touched || (room.environment >= 0 && zone >= 0 && role >= 0)) batch.push(candidate);
      continue;
    }
    if (room.environment < 1 || zone < 1 || role < 1) continue;
    room.environment -= 1;
    room.zones.set(candidate.host.zone, zone - 1);
    room.roles.set(candidate.host.role, role - 1);
    batch.push(candidate);
  }
  return batch;
}

function roomLeft(rollout: RolloutState): Room {
  const { environment, zone, role } = rollout.policy.waves.maxUnavailable;
  const population = presentOf(rollout);
  const room: Room = {
    environment: hostsAllowed(environment, population.environment),
    zones: new Map(),
    roles: new Map(),
  };
  for (const [name, total] of population.zones) room.zones.set(name, hostsAllowed(zone, total));
  for (const [name, total] of population.roles) room.roles.set(name, hostsAllowed(role, total));
  for (const progress of rollout.hosts.values()) {
    if (!isOutOfService(progress)) continue;
    room.environment -= 1;
    room.zones.set(progress.host.zone, (room.zones.get(progress.host.zone) ?? 0) - 1);
    room.roles.set(progress.host.role, (room.roles.get(progress.host.role) ?? 0) - 1);
  }
  return room;
}

/** C3. A host whose zone or role nobody counted, since its zone could not be listed, still has one host's room there. */
function presentOf({ population, hosts }: RolloutState): Room {
  const { environment, byZone, byRole } = population;
  const there = {
    environment,
    zones: new Map(Object.entries(byZone)),
    roles: new Map(Object.entries(byRole)),
  };
  for (const { host, state } of hosts.values()) {
    const gone = state === 'gone' ? 1 : 0;
    there.environment -= gone;
    there.zones.set(host.zone, (there.zones.get(host.zone) ?? 0) - gone);
    there.roles.set(host.role, (there.roles.get(host.role) ?? 0) - gone);
  }
  return there;
}
