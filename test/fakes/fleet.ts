/**
 * A fleet in memory behind the Remote and Inventory ports, with what can go wrong between us and a host.
 *
 * FL1  A program that was begun on a host runs to its end there, also when the reply is lost, the attempt timed out or the
 *      process that ordered it is dead.
 * FL2  A killed process (`die`) gets no further reply and begins nothing more: its calls never come back.
 * FL3  Every contact is written down before anything happens, so that a test can hold it against the journal.
 */
import type { Host, HostId } from '../../src/domain/host.ts';
import type { HostOrder } from '../../src/domain/host-order.ts';
import { err, ok } from '../../src/domain/result.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Inventory } from '../../src/ports/inventory.ts';
import type { Remote, RemoteAnswer, RemoteJob } from '../../src/ports/remote.ts';
import { type Behaviours, FleetHost } from './fleet-host.ts';

/** What happens to one contact. */
export type ContactFault =
  | 'unreachable'
  | 'denied'
  | 'host-key-mismatch'
  | 'sudo-refused'
  | 'delivery-failed'
  /** The connection dies before the program begins. */
  | 'cut-before'
  /** The program begins, the connection dies. */
  | 'cut-after'
  /** The program runs to its end, but after the attempt's timeout. */
  | 'too-slow'
  /** The host reboots while the program runs. */
  | 'reboot';

export interface Contact {
  readonly at: number;
  readonly id: HostId;
  readonly address: string;
  readonly program: HostOrder['program'];
  readonly order: HostOrder;
  readonly process: number;
}

export interface Fleet {
  readonly hosts: ReadonlyMap<HostId, FleetHost>;
  readonly contacts: readonly Contact[];
  readonly inventory: Inventory;
  /** The remote of one process; `alive` false: it is dead (FL2). */
  remoteOf(process: number, alive?: () => boolean): Remote;
  /** By name, of several the one that came last; throws when there is none. */
  host(name: string): FleetHost;
  /** The same, or undefined. */
  named(name: string): FleetHost | undefined;
  /** A VM comes into being. One of the same name that was there before is to be put into `deleted`. */
  add(host: Host, agent?: FleetOptions['from']): FleetHost;
  /** Not in the inventory and not reachable, until it returns. */
  readonly vanished: Set<HostId>;
  /** The same for good. */
  readonly deleted: Set<HostId>;
  /** In the inventory, not reachable. */
  readonly cutOff: Set<HostId>;
  readonly unknownZones: Set<string>;
  inventoryFails: boolean;
  /** Decides for each contact; null: none. */
  faults: ((contact: Contact) => ContactFault | null) | null;
  /** Called before a host is contacted (FL3). */
  onContact: ((contact: Contact) => void) | null;
  /** Called when a host has answered, before anybody hears of it. */
  onAnswer: ((contact: Contact, answer: RemoteAnswer) => void) | null;
}

const CONNECT_MS = 50;
const CONNECT_TIMEOUT_MS = 2_000;

export interface FleetOptions {
  readonly hosts: readonly Host[];
  readonly from: { readonly version: string; readonly executable: string };
  readonly behaviours: Behaviours;
  readonly clock: Clock;
  /** Whoever has the address answers, as in a real network. Default: the host that is meant, whatever its address. */
  readonly byAddress?: boolean;
}

export function memoryFleet({ hosts, from, behaviours, clock, byAddress = false }: FleetOptions): Fleet {
  const all = new Map<HostId, FleetHost>();
  const byName = new Map<string, FleetHost>();
  const add: Fleet['add'] = (host, agent = from) => {
    const one = new FleetHost(host, agent, clock, behaviours);
    all.set(host.id, one);
    byName.set(host.name, one);
    return one;
  };
  for (const host of hosts) add(host);
  const isThere = (id: HostId): boolean => !fleet.vanished.has(id) && !fleet.deleted.has(id);
  const hostAt = (address: string): FleetHost | undefined =>
    [...all.values()].findLast(({ host }) => host.address === address && isThere(host.id));
  const contacts: Contact[] = [];

  const fleet: Fleet = {
    hosts: all,
    contacts,
    add,
    vanished: new Set(),
    deleted: new Set(),
    cutOff: new Set(),
    unknownZones: new Set(),
    inventoryFails: false,
    faults: null,
    onContact: null,
    onAnswer: null,
    host(name) {
      const found = byName.get(name);
      if (found === undefined) throw new Error(`no host ${name} in the fleet`);
      return found;
    },
    named: (name) => byName.get(name),
    inventory: {
      async list() {
        if (fleet.inventoryFails)
          return err({
            kind: 'unavailable',
            message: 'the inventory in memory does not answer',
            retryable: true,
          });
        const listed = [...all.values()]
          .map(({ host }) => host)
          .filter(({ id, zone }) => isThere(id) && !fleet.unknownZones.has(zone));
        const unknownZones = [...fleet.unknownZones].map((zone) => ({ zone, why: 'not listed' }));
        return ok({ hosts: listed, unknownZones, at: clock.now() });
      },
    },
    remoteOf: (process, alive = () => true) => ({
      async run({ id, address }, job, signal) {
        const contact = {
          at: clock.now(),
          id,
          address,
          program: job.order.program,
          order: job.order,
          process,
        };
        if (signal?.aborted === true) return none('cancelled', 'cancelled before it began');
        contacts.push(contact);
        fleet.onContact?.(contact);
        const answer = await attempt(contact, job, alive, signal);
        if (!alive()) return never();
        fleet.onAnswer?.(contact, answer);
        return answer;
      },
      async close() {},
    }),
  };

  async function attempt(
    contact: Contact,
    job: RemoteJob,
    alive: () => boolean,
    signal: AbortSignal | undefined,
  ): Promise<RemoteAnswer> {
    const there = byAddress ? hostAt(contact.address) : all.get(contact.id);
    const fault = fleet.faults?.(contact) ?? null;
    const isOut = (): boolean =>
      there === undefined || !isThere(there.host.id) || fleet.cutOff.has(there.host.id);
    if (there === undefined || isOut() || fault === 'unreachable') {
      await clock.sleep(CONNECT_TIMEOUT_MS);
      return none('unreachable', 'connect timed out');
    }
    await clock.sleep(CONNECT_MS);
    if (!alive()) return never();
    if (signal?.aborted === true) return none('cancelled', 'cancelled before it began');
    if (
      fault === 'denied' ||
      fault === 'host-key-mismatch' ||
      fault === 'sudo-refused' ||
      fault === 'delivery-failed'
    )
      return none(fault, `${fault} on demand`);
    if (fault === 'cut-before') return none('unknown', 'the connection died before the program began');
    const delivered = new Set(job.packages.map((one) => one.sha256));
    const program = there.run(contact.order, delivered, (step) => {
      if (alive()) job.onStep?.(step);
    });
    if (fault === 'reboot') {
      await clock.sleep(400);
      there.reboot();
      return none('unknown', 'the connection died');
    }
    if (fault === 'cut-after') {
      await clock.sleep(200);
      return none('unknown', 'the connection died without an exit status');
    }
    if (fault === 'too-slow') {
      await clock.sleep(job.timeoutMs);
      return none('timed-out', `no answer within ${job.timeoutMs} ms`);
    }
    const inTime = new AbortController();
    const answer = await Promise.race([
      program.then((ended) => ended ?? 'died'),
      clock.sleep(job.timeoutMs, inTime.signal).then(() => 'timed-out' as const),
    ]);
    inTime.abort();
    if (isOut() || answer === 'died') return none('unknown', 'the connection died without an exit status');
    if (answer === 'timed-out') return none('timed-out', `no answer within ${job.timeoutMs} ms`);
    return { kind: 'answered', exitCode: answer.exitCode, steps: answer.steps, stderr: '' };
  }

  return fleet;
}

function none(why: Extract<RemoteAnswer, { kind: 'no-answer' }>['why'], message: string): RemoteAnswer {
  return { kind: 'no-answer', why, message };
}

/** What a dead process waits for. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
