/**
 * Random lives of a version that is good, while people stop, start and restart agents on the hosts that it goes to: with replies lost,
 * processes killed, hosts out of reach, the journal out of reach of who stops. It must never be blamed for any of that, nobody who is
 * held may be started, and in the end, once everybody has been started again, it must be done, proven and watched.
 *
 * The same seed gives the same life: BLAME_SEED=n npx vitest run test/engine/lifecycle/blame
 */
import type { LifecycleVerb } from '../../../src/domain/lifecycle.ts';
import type { RolloutPolicy } from '../../../src/domain/policy.ts';
import { runLifecycle } from '../../../src/engine/run-lifecycle.ts';
import { sendWaiting } from '../../../src/engine/send-waiting.ts';
import type { ContactFault } from '../../fakes/fleet.ts';
import { checkJournal } from '../journal-checks.ts';
import { type Random, randomOf } from '../random.ts';
import {
  ask,
  begin,
  carryOn,
  type Ended,
  gate,
  NEW,
  RESTARTS_WINDOW_MS,
  SCRAPE_MS,
  someHosts,
  somePolicy,
} from '../world.ts';
import { type LifecycleWorld, lifecycleWorld, type Machine, someRequest } from './lifecycle-world.ts';

/** As the real ones: one sees what the last scrape saw, one counts starts over some time. */
export const GATES = [
  gate('cpu', {}),
  gate('scraped', { direction: 'below', limit: 1, windowMs: SCRAPE_MS, forMs: 10_000, unit: 'processes' }),
  gate('restarts', { limit: 1, windowMs: RESTARTS_WINDOW_MS, forMs: 0, unit: 'restarts' }),
];

export interface Blame {
  readonly seed: number;
  readonly actions: number;
  readonly killed: number;
  readonly violations: readonly string[];
  readonly trace: readonly string[];
}

/** Longer than any attempt: what was begun that long ago is over. */
const OVER_MS = 90_000;

const FAULTS: readonly [ContactFault, ...ContactFault[]] = [
  'unreachable',
  'cut-before',
  'cut-after',
  'denied',
];

export async function liveBlameless(seed: number): Promise<Blame> {
  const random = randomOf(seed);
  const policy: Partial<RolloutPolicy> = {
    gates: GATES,
    soakMs: random.pick([10_000, 30_000]),
    bakeMs: random.pick([20_000, 90_000]),
    limits: { ...somePolicy.limits, hostDeadlineMs: 300_000 },
    approval: random.chance(0.3) ? 'after-canary' : 'none',
  };
  const world = lifecycleWorld({ hosts: someHosts(random.whole(2, 7)), policy });
  const trace: string[] = [];
  const violations = new Set<string>();
  const note = (what: string): void => {
    trace.push(`${Math.round(world.clock.elapsedMs / 100) / 10}s ${what}`);
  };
  world.onDurable = (entry) => {
    note(`${entry.seq} ${entry.body.kind}${entry.reason === undefined ? '' : ` (${entry.reason})`}`);
    if (entry.body.kind === 'rollback-started') violations.add(`blamed: ${entry.reason}`);
  };
  const counts = { actions: 0, killed: 0 };
  const chance = random.pick([0, 0.05, 0.2]);
  // Who does not answer when it is asked why nothing runs there excuses nothing: that version goes back.
  world.fleet.faults = ({ program }) =>
    program !== 'prove' && random.chance(chance) ? random.pick(FAULTS) : null;
  const machines = [world.machine(), world.machine()] as const;
  const people = machines.map(async (machine) => {
    for (let round = random.whole(1, 4); round > 0; round -= 1) {
      await world.clock.sleep(random.whole(0, 60_000));
      await oneAction(world, machine, { random, note, counts });
    }
  });
  const calm = new AbortController();
  const schedule = (async () => {
    while (!calm.signal.aborted) {
      note(ended(await advance(world)));
      if ((world.state().rollout?.stop ?? null) !== null && random.chance(0.3)) await ask(world, 'resume');
      await world.clock.sleep(random.whole(1_000, 10_000));
    }
  })();
  await world.clock.run(Promise.all(people), 6 * 3_600_000);
  calm.abort();
  await world.clock.run(schedule, 6 * 3_600_000);

  world.fleet.faults = null;
  await world.clock.advance(OVER_MS);
  for (const machine of machines) {
    machine.bucket = 'none';
    await world.clock.run(sendWaiting(machine.process().context));
  }
  for (const host of world.fleet.hosts.values())
    if (host.hold !== null && host.running !== '') violations.add(`${host.host.name} is held and runs`);
  await world.clock.run(
    runLifecycle(
      machines[0].process().context,
      someRequest(world, { verb: 'start' }),
      new AbortController().signal,
    ),
    6 * 3_600_000,
  );
  for (let round = 0; round < 12 && phaseOf(world) !== 'done'; round += 1) {
    if ((world.state().rollout?.stop ?? null) !== null) await ask(world, 'resume');
    const end = await world.clock.run(advance(world, 'foreground'), 6 * 3_600_000);
    note(`calm: ${ended(end)}`);
    if (end !== 'killed' && end.kind === 'held' && end.reason.code === 'approval-needed')
      await ask(world, 'approve');
    await world.clock.advance(10_000);
  }
  if (phaseOf(world) !== 'done') violations.add(`it ended ${phaseOf(world)}`);
  if (world.state().quarantine.length > 0) violations.add('it is quarantined');
  for (const [name, version] of Object.entries(world.running()))
    if (version !== NEW) violations.add(`${name} runs ${version || 'nothing'}`);
  for (const wrong of checkJournal(world.journal.entries)) violations.add(wrong);
  return { seed, ...counts, violations: [...violations], trace };
}

function advance(world: LifecycleWorld, mode: 'advance' | 'foreground' = 'advance'): Promise<Ended> {
  const how = { mode, holdLimitMs: 60_000 };
  return world.state().rollout === null ? begin(world.process(), {}, how) : carryOn(world.process(), how);
}

const phaseOf = (world: LifecycleWorld): string => world.state().rollout?.phase.kind ?? 'never begun';

function ended(end: Ended): string {
  if (end === 'killed') return end;
  return `${end.kind}${'reason' in end ? `: ${end.reason.code}` : ''}`;
}

interface Doing {
  readonly random: Random;
  readonly note: (what: string) => void;
  readonly counts: { actions: number; killed: number };
}

async function oneAction(
  world: LifecycleWorld,
  machine: Machine,
  { random, note, counts }: Doing,
): Promise<void> {
  const verb = random.pick<LifecycleVerb>(['stop', 'stop', 'stop', 'start', 'restart']);
  const all = [...world.fleet.hosts.values()].map(({ host }) => host);
  const hosts = random.chance(0.5) ? all : all.filter(() => random.chance(0.5));
  if (hosts.length === 0) return;
  machine.bucket = verb === 'stop' && random.chance(0.15) ? 'refuses' : 'none';
  const request = someRequest(world, { verb, hosts, deadlineMs: random.pick([5_000, 30_000]) });
  const killedAt = random.chance(0.3) ? random.whole(1, 40) : 0;
  const process = machine.process((_call, count) =>
    count === killedAt ? random.pick(['before', 'after']) : null,
  );
  note(
    `${request.actionId} of ${hosts.map(({ name }) => name).join(' ')}${machine.bucket === 'none' ? '' : ', no bucket'}`,
  );
  const end = await Promise.race([
    runLifecycle(process.context, request, new AbortController().signal),
    process.death,
  ]);
  counts.actions += 1;
  if (end === 'killed') counts.killed += 1;
  note(`${request.actionId}: ${end === 'killed' ? end : end.ok ? end.value.end : end.error.code}`);
}
