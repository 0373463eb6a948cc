/** The engine's world with what the lifecycle reaches besides: machines with an outbox and a last listing, a cloud and a bucket that can fall silent. */
import type { HoldTerms } from '../../../src/domain/lifecycle.ts';
import { err } from '../../../src/domain/result.ts';
import type { LifecycleContext } from '../../../src/engine/context.ts';
import type { LifecycleReport, LifecycleRequest } from '../../../src/engine/lifecycle-types.ts';
import { runLifecycle } from '../../../src/engine/run-lifecycle.ts';
import { never } from '../../fakes/fleet.ts';
import type { FleetHost } from '../../fakes/fleet-host.ts';
import { type MemoryLastInventory, memoryLastInventory } from '../../fakes/memory-last-inventory.ts';
import { type MemoryOutbox, memoryOutbox } from '../../fakes/memory-outbox.ts';
import { type KillPlan, makeWorld, type Process, type World, type WorldOptions } from '../world.ts';

export type Silence = 'none' | 'hangs' | 'refuses';

export interface Machine {
  readonly name: string;
  readonly outbox: MemoryOutbox;
  readonly lastInventory: MemoryLastInventory;
  /** What this machine hears of the bucket: journal and lease. */
  bucket: Silence;
  /** What it hears of the cloud. */
  cloud: Silence;
  process(plan?: KillPlan): LifecycleProcess;
}

export interface LifecycleProcess extends Process {
  readonly context: LifecycleContext;
}

export interface LifecycleWorld extends World {
  machine(): Machine;
}

export function lifecycleWorld(options: WorldOptions = {}): LifecycleWorld {
  const world = makeWorld(options);
  let machines = 0;
  return Object.assign(world, {
    machine(): Machine {
      machines += 1;
      const name = `ops-${machines}`;
      const outbox = memoryOutbox();
      const lastInventory = memoryLastInventory();
      const machine: Machine = {
        name,
        outbox,
        lastInventory,
        bucket: 'none',
        cloud: 'none',
        process: (plan) => processOn(world, machine, plan),
      };
      return machine;
    },
  });
}

function processOn(world: World, machine: Machine, plan?: KillPlan): LifecycleProcess {
  let calls = 0;
  const counted: KillPlan = (call) => {
    calls += 1;
    return plan?.(call, calls) ?? null;
  };
  const process = world.process(counted);
  const { context } = process;
  const guard = async <T>(call: string, go: () => Promise<T>): Promise<T> => {
    if (!process.isAlive()) return never();
    const when = counted(call, 0);
    if (when === 'before') process.die();
    if (!process.isAlive()) return never();
    const value = await go();
    if (when === 'after') process.die();
    return process.isAlive() ? value : never();
  };
  // Longer than anybody may wait, and not for ever: adapters have deadlines of their own.
  const hung = (): Promise<void> => world.clock.sleep(300_000);
  const overBucket = async <T>(go: () => Promise<T>, refused: T): Promise<T> => {
    if (machine.bucket === 'none') return go();
    if (machine.bucket === 'hangs') await hung();
    return refused;
  };
  const away = { kind: 'unavailable', message: 'the bucket does not answer', retryable: true } as const;
  const { journal, lease, inventory } = context;
  const actor = { ...context.actor, hostname: machine.name };
  return {
    ...process,
    calls: () => calls,
    context: {
      ...context,
      actor,
      journal: {
        read: (after) => overBucket(() => journal.read(after), err(away)),
        append: (entry) => overBucket(() => journal.append(entry), err(away)),
      },
      lease: {
        ...lease,
        acquire: (who, how) => overBucket(() => lease.acquire(who, how), err(away)),
      },
      inventory: {
        list: async (how) => {
          if (machine.cloud === 'none') return inventory.list(how);
          if (machine.cloud === 'hangs') await hung();
          return err({ kind: 'unavailable', message: 'the cloud says 503', retryable: true });
        },
      },
      outbox: {
        put: (entry) => guard('outbox.put', () => machine.outbox.put(entry)),
        waiting: () =>
          guard('outbox.waiting', async () => {
            const waiting = await machine.outbox.waiting();
            if (!waiting.ok) return waiting;
            const entries = waiting.value.entries.map(({ entry, done }) => ({
              entry,
              done: () => guard('outbox.done', done),
            }));
            return { ...waiting, value: { ...waiting.value, entries } };
          }),
      },
      lastInventory: {
        keep: (view) => guard('last.keep', () => machine.lastInventory.keep(view)),
        last: () => guard('last.last', () => machine.lastInventory.last()),
      },
      roleFiles: {
        plan: async () => err('there are no role files in this world'),
        apply: async () => err('there are no role files in this world'),
      },
    },
  };
}

let actions = 0;

export function someRequest(world: World, more: Partial<LifecycleRequest> = {}): LifecycleRequest {
  actions += 1;
  const verb = more.verb ?? 'stop';
  const actionId = more.actionId ?? `${verb}-${actions}`;
  const now = world.clock.now();
  const hold: HoldTerms = {
    actionId,
    environment: world.environment.name,
    by: 'ada@ops-1',
    reason: 'it eats production',
    since: now,
    until: now + 72 * 3_600_000,
  };
  return {
    actionId,
    verb,
    now: false,
    polarity: verb === 'stop' ? 'emergency' : 'calm',
    hosts: [...world.fleet.hosts.values()].map(({ host }) => host),
    inventoryAt: now,
    hold: verb === 'stop' ? hold : null,
    timeoutMs: 30_000,
    deadlineMs: 60_000,
    settleMs: 1_000,
    reason: 'it eats production',
    ...more,
  };
}

/** Runs it, and answers with the report; throws where it was refused. */
export async function act(
  world: World,
  { context, death }: LifecycleProcess,
  request: LifecycleRequest = someRequest(world),
  signal: AbortSignal = new AbortController().signal,
): Promise<LifecycleReport | 'killed'> {
  const ended = await Promise.race([runLifecycle(context, request, signal), death]);
  if (ended === 'killed') return ended;
  if (!ended.ok) throw new Error(`refused: ${ended.error.message}`);
  return ended.value;
}

export function reportOf(ended: LifecycleReport | 'killed'): LifecycleReport {
  if (ended === 'killed') throw new Error('it was killed');
  return ended;
}

export const isDown = (host: FleetHost): boolean => host.running === '' && host.hold !== null;

export function namesDown(world: World): string[] {
  return [...world.fleet.hosts.values()].filter(isDown).map(({ host }) => host.name);
}
