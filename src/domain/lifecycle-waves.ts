/**
 * In which waves a lifecycle action goes over hosts, and which of a wave may be acted on now. Pure.
 *
 * LW1  Waves are a rollout's (planning.ts): one host of every stratum first, then growing shares, spread over roles and zones. Nobody
 *      has looked at the hosts, so that their architecture is not asked for.
 * LW2  Never more hosts out of service than may be: those being acted on, that failed, or that do not answer. A bound in percent is of
 *      the hosts that are meant, which is never more than of the whole fleet.
 * LW3  Gates about the agent say nothing of hosts where it is meant to be gone: there only a playbook's own gates watch.
 */
import type { Host, HostId } from './host.ts';
import type { LifecycleVerb } from './lifecycle.ts';
import { byName, cutIntoWaves, hostsAllowed, stratumOf } from './planning.ts';
import type { GatePolicy, WavePolicy } from './policy.ts';

/** LW1. Every host is in exactly one wave; no wave is empty. `policy` null: all of them at once. */
export function planWaves(hosts: readonly Host[], policy: WavePolicy | null): Host[][] {
  const sorted = [...hosts].sort(byName);
  if (policy === null) return sorted.length === 0 ? [] : [sorted];
  const placed = sorted.map((host) => ({
    id: host.id,
    name: host.name,
    zone: host.zone,
    role: host.role,
    stratum: stratumOf(host, policy.strata),
    architecture: '',
    host,
  }));
  return cutIntoWaves(placed, policy).map((wave) => wave.map(({ host }) => host));
}

export interface BatchInput {
  /** All hosts of the action: what a percentage is of. */
  readonly fleet: readonly Host[];
  /** Of the wave, not yet acted on, in order. */
  readonly candidates: readonly Host[];
  /** Failed or not answering, of any wave before. */
  readonly outOfService: ReadonlySet<HostId>;
  /** VMs that are known to be gone: they serve nowhere and count nowhere. */
  readonly gone: ReadonlySet<HostId>;
  readonly maxUnavailable: WavePolicy['maxUnavailable'];
}

/** LW2. The candidates that may be acted on together, in their order; none: there is no room until somebody mends something. */
export function nextBatch(input: BatchInput): Host[] {
  const { environment, zone, role } = input.maxUnavailable;
  const present = input.fleet.filter(({ id }) => !input.gone.has(id));
  const out = present.filter(({ id }) => input.outOfService.has(id));
  let room = hostsAllowed(environment, present.length) - out.length;
  const zones = roomIn(present, out, (host) => host.zone, zone);
  const roles = roomIn(present, out, (host) => host.role, role);
  const batch: Host[] = [];
  for (const host of input.candidates) {
    if (room < 1) break;
    const inZone = zones.get(host.zone) ?? 0;
    const inRole = roles.get(host.role) ?? 0;
    if (inZone < 1 || inRole < 1) continue;
    room -= 1;
    zones.set(host.zone, inZone - 1);
    roles.set(host.role, inRole - 1);
    batch.push(host);
  }
  return batch;
}

function roomIn(
  present: readonly Host[],
  out: readonly Host[],
  place: (host: Host) => string,
  bound: WavePolicy['maxUnavailable']['zone'],
): Map<string, number> {
  const totals = new Map<string, number>();
  for (const host of present) totals.set(place(host), (totals.get(place(host)) ?? 0) + 1);
  const room = new Map<string, number>();
  for (const [name, total] of totals) room.set(name, hostsAllowed(bound, total));
  for (const host of out) room.set(place(host), (room.get(place(host)) ?? 0) - 1);
  return room;
}

/** Whether the agent is meant to run on the hosts afterwards. */
export function isMeantToRun(verb: LifecycleVerb): boolean {
  return verb === 'start' || verb === 'restart' || verb === 'enable' || verb === 'install';
}

/** LW3. What a wave is watched by; none: there is nothing to watch it with. */
export function gatesFor(
  verb: LifecycleVerb,
  own: readonly GatePolicy[],
  environments: readonly GatePolicy[],
): readonly GatePolicy[] {
  return own.length > 0 || !isMeantToRun(verb) ? own : environments;
}
