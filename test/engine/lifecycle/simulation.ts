/**
 * Random lives: two machines stop and start parts of a fleet that a third one rolls a version out to, while buckets and clouds fall
 * silent, processes are killed, replies are lost and hosts are out of reach. Then all is mended, and everything must add up.
 *
 * The same seed gives the same life: LIFE_SEED=n npx vitest run test/engine/lifecycle/simulation
 */
import { foldEntries, isFinished } from '../../../src/domain/fold.ts';
import type { HostId } from '../../../src/domain/host.ts';
import { verifyChain } from '../../../src/domain/journal.ts';
import type { LifecycleReport } from '../../../src/engine/lifecycle-types.ts';
import { runLifecycle } from '../../../src/engine/run-lifecycle.ts';
import { sendWaiting } from '../../../src/engine/send-waiting.ts';
import type { ContactFault } from '../../fakes/fleet.ts';
import { sha256 } from '../../fakes/journal-entries.ts';
import { checkJournal } from '../journal-checks.ts';
import { type Random, randomOf } from '../random.ts';
import { ask, begin, carryOn, someHosts } from '../world.ts';
import { type LifecycleWorld, lifecycleWorld, type Machine, someRequest } from './lifecycle-world.ts';

export interface Life {
  readonly seed: number;
  readonly stops: number;
  readonly starts: number;
  readonly killed: number;
  readonly paused: number;
  /** Hosts that were held at the end by a stop that was proven. */
  readonly heldAtEnd: number;
  readonly violations: readonly string[];
  readonly trace: readonly string[];
}

/** Longer than any attempt and any wait for a lock: what was begun that long ago is over. */
const OVER_MS = 90_000;

export async function live(seed: number): Promise<Life> {
  const random = randomOf(seed);
  const world = lifecycleWorld({
    hosts: someHosts(random.whole(2, 8)),
    policy: { soakMs: 10_000, bakeMs: 15_000 },
    behaviour: random.chance(0.2) ? { cpu: 0.5 } : {},
  });
  const violations = new Set<string>();
  const trace: string[] = [];
  const note = (what: string): void => {
    trace.push(`${Math.round(world.clock.elapsedMs / 100) / 10}s ${what}`);
  };
  const account = accountOf(world, (what) => violations.add(what));
  const counts = { stops: 0, starts: 0, killed: 0 };
  const dead = new Set<string>();
  const machines = [world.machine(), world.machine()] as const;
  const kept = machines.map(keepPuts);
  const mended = new AbortController();
  troubles(world, machines, { random, mended: mended.signal });

  const rollout = begin(world.process()).then((end) => note(`rollout: ${end === 'killed' ? end : end.kind}`));
  const people = machines.map(async (machine) => {
    for (let round = random.whole(1, 4); round > 0; round -= 1) {
      await world.clock.sleep(random.whole(0, 40_000));
      await oneAction(world, machine, { random, note, counts, dead, say: (what) => violations.add(what) });
    }
  });
  await world.clock.run(Promise.all([rollout, ...people]), 6 * 3_600_000);

  mended.abort();
  world.fleet.faults = null;
  world.fleet.cutOff.clear();
  for (const machine of machines) {
    machine.bucket = 'none';
    machine.cloud = 'none';
    machine.outbox.trouble = 'none';
  }
  await world.clock.advance(OVER_MS);
  for (const machine of machines) {
    const sent = await world.clock.run(sendWaiting(machine.process().context));
    if (sent.left > 0) violations.add(`${machine.name} still has ${sent.left} entries: ${sent.why}`);
  }
  for (const kept_ of kept) {
    for (const key of kept_)
      if (
        !world.journal.entries.some(
          ({ body }) => 'actionId' in body && `${body.actionId} ${body.part}` === key,
        )
      )
        violations.add(`the entry ${key} was written down and is nowhere`);
  }
  const heldAtEnd = account.check();
  const { holds } = world.state();
  for (const [id, host] of world.fleet.hosts) {
    if (host.hold === null || holds.has(id)) continue;
    // A start that was proven after the wish and before a later attempt of that stop, whose end nobody heard of: the journal lets
    // the proof count, and only the host itself knows better.
    const isUnheard = dead.has(host.hold.actionId) || account.isUnheard(id, host.hold.actionId);
    if (isUnheard && account.startedAround(id, host.hold.since)) continue;
    violations.add(`${host.host.name} is held and the journal does not know`);
  }
  const paused = world.bodies('pause-requested').length;
  await finishRollout(world);
  account.check();
  const broken = verifyChain(world.journal.entries, sha256);
  if (broken !== null) violations.add(`the chain is broken: ${JSON.stringify(broken)}`);
  for (const wrong of checkJournal(world.journal.entries)) violations.add(wrong);
  return { seed, ...counts, paused, heldAtEnd, violations: [...violations], trace };
}

interface Doing {
  readonly random: Random;
  readonly note: (what: string) => void;
  readonly say: (what: string) => void;
  /** Actions whose process was killed. */
  readonly dead: Set<string>;
  readonly counts: { stops: number; starts: number; killed: number };
}

async function oneAction(
  world: LifecycleWorld,
  machine: Machine,
  { random, note, say, counts, dead }: Doing,
): Promise<void> {
  const verb = random.chance(0.6) ? 'stop' : 'start';
  const all = [...world.fleet.hosts.values()].map(({ host }) => host);
  const hosts = random.chance(0.5) ? all : all.filter(() => random.chance(0.5));
  if (hosts.length === 0) return;
  const request = someRequest(world, {
    verb,
    hosts,
    settleMs: random.pick([0, 1_000, 5_000]),
    deadlineMs: random.pick([5_000, 30_000, 60_000]),
  });
  const killedAt = random.chance(0.25) ? random.whole(1, 60) : 0;
  const process = machine.process((_call, count) =>
    count === killedAt ? random.pick(['before', 'after']) : null,
  );
  const called = new AbortController();
  if (random.chance(0.15)) world.clock.after(random.whole(0, 10_000), () => called.abort());
  note(
    `${machine.name}: ${request.actionId} of ${hosts.length}${killedAt > 0 ? `, to be killed at call ${killedAt}` : ''}`,
  );
  const ended = await Promise.race([runLifecycle(process.context, request, called.signal), process.death]);
  if (ended === 'killed') {
    counts.killed += 1;
    dead.add(request.actionId);
    note(`${machine.name}: ${request.actionId} killed`);
    return;
  }
  if (!ended.ok) {
    note(`${machine.name}: ${request.actionId} refused: ${ended.error.code}`);
    if (verb === 'stop') say(`${request.actionId} was refused: an emergency never is`);
    return;
  }
  counts[verb === 'stop' ? 'stops' : 'starts'] += 1;
  note(
    `${machine.name}: ${request.actionId} ${ended.value.end}, ${ended.value.notCovered.length} not covered, record ${ended.value.record.kind}`,
  );
  checkReport(world, machine, ended.value, say);
}

function checkReport(
  world: LifecycleWorld,
  machine: Machine,
  report: LifecycleReport,
  say: (what: string) => void,
): void {
  const { actionId, record } = report;
  const inJournal = partsOf(
    world.journal.entries.map(({ body }) => body),
    actionId,
  );
  const here = partsOf(
    machine.outbox.entries.map(({ body }) => body),
    actionId,
  );
  const parts = record.kind === 'journal' ? inJournal : new Set([...inJournal, ...here]);
  if (record.kind === 'lost') return;
  for (let part = 0; part <= Math.max(...parts, 1); part += 1)
    if (!parts.has(part)) say(`${actionId} says its record is in ${record.kind}, and part ${part} is not`);
  if (record.kind === 'waiting' && here.size < record.entries)
    say(`${actionId} says that ${record.entries} wait, and ${here.size} do`);
}

function partsOf(bodies: readonly object[], actionId: string): Set<number> {
  return new Set(
    bodies.flatMap((body) =>
      'actionId' in body && body.actionId === actionId && 'part' in body ? [Number(body.part)] : [],
    ),
  );
}

/** Every entry that the outbox took, by action and part. */
function keepPuts(machine: Machine): Set<string> {
  const kept = new Set<string>();
  const put = machine.outbox.put.bind(machine.outbox);
  machine.outbox.put = async (entry) => {
    const done = await put(entry);
    if (done.ok && 'actionId' in entry.body) kept.add(`${entry.body.actionId} ${entry.body.part}`);
    return done;
  };
  return kept;
}

/** What a proof of a stop promises: from then on the host is down and held, unless somebody may have started it since. */
function accountOf(world: LifecycleWorld, say: (what: string) => void) {
  const proven = new Map<HostId, number>();
  const started = new Map<HostId, number>();
  const unheard = new Set<string>();
  const starts: { readonly id: HostId; readonly at: number }[] = [];
  const begun = new Map<string, number>();
  world.fleet.onContact = ({ at, id, order, process }) => {
    if (order.program !== 'service') return;
    begun.set(`${process} ${id}`, at);
    if (order.verb !== 'start') return;
    started.set(id, at);
    starts.push({ id, at });
  };
  world.fleet.onAnswer = ({ id, order, process }, answer) => {
    if (order.program !== 'service' || order.verb !== 'stop') return;
    const hold = `${id} ${order.hold?.actionId}`;
    if (answer.kind === 'answered') unheard.delete(hold);
    else unheard.add(hold);
    if (answer.kind === 'answered' && answer.exitCode === 0)
      proven.set(id, begun.get(`${process} ${id}`) ?? 0);
  };
  return {
    isUnheard: (id: HostId, actionId: string): boolean => unheard.has(`${id} ${actionId}`),
    startedAround: (id: HostId, at: number): boolean =>
      starts.some((one) => one.id === id && Math.abs(one.at - at) < OVER_MS),
    /** Hosts that are held as they were proven to be. */
    check(): number {
      let held = 0;
      for (const [id, at] of proven) {
        const host = world.fleet.hosts.get(id);
        const since = started.get(id);
        if (host === undefined || (since !== undefined && since > at - OVER_MS)) continue;
        if (host.running !== '' || host.hold === null)
          say(`${host.host.name} was stopped for good, and ${host.running === '' ? 'is not held' : 'runs'}`);
        else held += 1;
      }
      return held;
    },
  };
}

function troubles(
  world: LifecycleWorld,
  machines: readonly Machine[],
  { random, mended }: { readonly random: Random; readonly mended: AbortSignal },
): void {
  const faults: readonly ContactFault[] = ['unreachable', 'cut-before', 'cut-after', 'denied', 'reboot'];
  const chance = random.pick([0, 0.05, 0.2]);
  world.fleet.faults = () =>
    random.chance(chance) ? (faults[random.whole(0, faults.length - 1)] ?? null) : null;
  for (const machine of machines) {
    const from = random.whole(0, 80_000);
    const until = from + random.pick([2_000, 15_000, 60_000, 600_000]);
    const bucket = random.pick(['none', 'hangs', 'refuses'] as const);
    const cloud = random.pick(['none', 'hangs', 'refuses'] as const);
    world.clock.after(from, () => {
      if (mended.aborted) return;
      machine.bucket = bucket;
      machine.cloud = cloud;
    });
    world.clock.after(until, () => {
      machine.bucket = 'none';
      machine.cloud = 'none';
    });
  }
  const cut = `${random.whole(1, 8)}`;
  const from = random.whole(0, 60_000);
  world.clock.after(from, () => {
    if (!mended.aborted) world.fleet.cutOff.add(cut);
  });
  world.clock.after(from + random.pick([3_000, 20_000, 120_000]), () => world.fleet.cutOff.delete(cut));
}

/** A person resumes it once all is mended; held hosts must not be started by it. */
async function finishRollout(world: LifecycleWorld): Promise<void> {
  for (let round = 0; round < 10; round += 1) {
    const { rollout } = foldEntries(world.journal.entries);
    if (rollout === null || isFinished(rollout)) return;
    if (rollout.stop !== null) await world.clock.run(ask(world, 'resume'));
    await world.clock.advance(31_000);
    await world.clock.run(carryOn(world.process()), 6 * 3_600_000);
  }
}
