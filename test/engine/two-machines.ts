/**
 * Two machines that carry on one environment, its journal and lease in one bucket, one of them cut off from the bucket in the middle
 * of its work: it still reaches every host. Then all is mended, and the rollout must come to its end.
 *
 * T1  The same seed gives the same life: TWO_SEED=n npx vitest run test/engine/two-machines
 */
import { gcsJournal } from '../../src/adapters/google/storage/journal.ts';
import { gcsLease } from '../../src/adapters/google/storage/lease.ts';
import { foldEntries, isFinished } from '../../src/domain/fold.ts';
import { type Entry, verifyChain } from '../../src/domain/journal.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { type MemoryBucket, type MemoryClient, memoryBucket } from '../fakes/google/memory-objects.ts';
import { sha256, someActor } from '../fakes/journal-entries.ts';
import { checkJournal } from './journal-checks.ts';
import { type Random, randomOf } from './random.ts';
import {
  begin,
  carryOn,
  type Ended,
  makeWorld,
  type Process,
  someHosts,
  somePolicy,
  type World,
} from './world.ts';

export interface Machine {
  readonly name: string;
  readonly process: Process;
  readonly client: MemoryClient;
}

export interface TwoMachines {
  readonly world: World;
  readonly bucket: MemoryBucket;
  readonly entries: () => Entry[];
  /** `skewMs`: how far its wall clock is from the others'. */
  machine(skewMs?: number): Machine;
}

export function twoMachines(world: World, latencyMs: () => number = () => 40): TwoMachines {
  const bucket = memoryBucket({ clock: world.clock.others, latencyMs });
  const machines: Machine[] = [];
  return {
    world,
    bucket,
    entries: () =>
      [...bucket.texts()]
        .filter(([name]) => name.startsWith('journal/'))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, text]) => JSON.parse(text) as Entry),
    machine(skewMs = 0) {
      const client = bucket.client();
      const process = world.process();
      const name = `m${process.pid}`;
      const { clock } = process.context;
      const own: Clock = { now: () => clock.now() + skewMs, sleep: clock.sleep };
      const { objects } = client;
      const context = {
        ...process.context,
        actor: { ...someActor, hostname: name },
        journal: gcsJournal({ objects, clock: own }),
        lease: gcsLease({ objects, clock: own, hostname: name, pid: process.pid }),
      };
      const machine = { name, process: { ...process, context }, client };
      machines.push(machine);
      return machine;
    },
  };
}

/** When each holder's first entry was durable, by the server's clock. */
export async function takeovers(two: TwoMachines): Promise<{ name: string; epoch: number; at: number }[]> {
  const { objects } = two.bucket.client();
  const listed = await two.world.clock.run(objects.list({ prefix: 'journal/' }));
  const written = listed.ok ? listed.value.map((facts) => facts.writtenAt) : [];
  return two
    .entries()
    .flatMap(({ body, actor }, index) =>
      body.kind === 'lease-taken'
        ? [{ name: actor.hostname, epoch: body.epoch, at: written[index] ?? Number.NaN }]
        : [],
    );
}

/** What a holder intended and did not answer for before the next one came: it may have happened, and the record does not say. */
export function unansweredAtTakeover(entries: readonly Entry[]): { seq: number; hosts: string[] }[] {
  const found: { seq: number; hosts: string[] }[] = [];
  let open = new Set<string>();
  for (const { seq, body } of entries) {
    if (body.kind === 'hosts-intended') for (const id of body.hosts) open.add(id);
    if (body.kind === 'hosts-answered') for (const { id } of body.hosts) open.delete(id);
    if (body.kind === 'lease-taken') {
      if (open.size > 0) found.push({ seq, hosts: [...open] });
      open = new Set();
    }
  }
  return found;
}

export interface SharedLife {
  readonly seed: number;
  readonly end: string;
  readonly tookOver: boolean;
  readonly unanswered: number;
  readonly violations: readonly string[];
  readonly trace: readonly string[];
}

export async function shareOneRollout(seed: number): Promise<SharedLife> {
  const random = randomOf(seed);
  const world = makeWorld({
    hosts: someHosts(random.whole(3, 8)),
    policy: {
      soakMs: random.pick([0, 10_000]),
      bakeMs: 15_000,
      ...(random.chance(0.5)
        ? { armedRevert: { afterMs: random.pick([60_000, 600_000]), disarm: 'after-soak' as const } }
        : {}),
    },
    behaviour: random.chance(0.2) ? { cpu: 0.5 } : {},
  });
  const two = twoMachines(world, () => random.whole(5, 400));
  const violations = new Set<string>();
  const trace: string[] = [];
  const note = (what: string): void => {
    trace.push(`${Math.round(world.clock.elapsedMs / 100) / 10}s ${what}`);
  };
  watchHosts(two, (what) => violations.add(what));

  const first = two.machine(random.whole(-3_600_000, 3_600_000));
  const second = two.machine(random.whole(-3_600_000, 3_600_000));
  partition(two, first, random, note);
  const firstEnds = begin(first.process).then((end) => note(`${first.name}: ${describe(end)}`));
  const secondEnds = followUp(two, second, note);
  await world.clock.run(Promise.all([firstEnds, secondEnds]), 6 * 3_600_000);

  first.client.partition = 'none';
  second.client.partition = 'none';
  for (let round = 0; round < 20 && !isOver(two); round += 1) {
    await world.clock.advance(40_000);
    const third = two.machine();
    const state = foldEntries(two.entries());
    const end = await world.clock.run(state.rollout === null ? begin(third.process) : carryOn(third.process));
    note(`${third.name}: ${describe(end)}`);
  }
  await checkEnd(two, (what) => violations.add(what));
  const taken = await takeovers(two);
  return {
    seed,
    end: foldEntries(two.entries()).rollout?.phase.kind ?? 'nothing',
    tookOver: taken.some(({ name }) => name === first.name) && taken.at(-1)?.name !== first.name,
    unanswered: unansweredAtTakeover(two.entries()).length,
    violations: [...violations],
    trace,
  };
}

function partition(
  two: TwoMachines,
  { name, client }: Machine,
  random: Random,
  note: (what: string) => void,
): void {
  const { clock } = two.world;
  const how = random.pick(['requests', 'replies'] as const);
  const from = random.whole(0, 70_000);
  const lasts = random.pick([5_000, 20_000, 45_000, 120_000, 3_600_000]);
  clock.after(from, () => {
    note(`${name} loses its ${how} for ${lasts / 1000} s`);
    client.partition = how;
  });
  clock.after(from + lasts, () => {
    note(`${name} is back`);
    client.partition = 'none';
  });
}

/** What a schedule does that runs `rollout advance` on another machine. */
async function followUp(
  two: TwoMachines,
  { name, process }: Machine,
  note: (what: string) => void,
): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    await two.world.clock.sleep(3_000);
    const end = await carryOn(process);
    if (end !== 'killed' && (end.kind === 'locked' || end.kind === 'nothing-to-run')) {
      if (isOver(two)) return;
      continue;
    }
    note(`${name}: ${describe(end)}`);
    return;
  }
}

function isOver(two: TwoMachines): boolean {
  const { rollout } = foldEntries(two.entries());
  return rollout !== null && isFinished(rollout);
}

/** At every moment: nobody is touched without a durable intention, nor twice at once by whomever. */
function watchHosts(two: TwoMachines, say: (what: string) => void): void {
  const { fleet } = two.world;
  const look = (id: string): void => {
    if ((fleet.hosts.get(id)?.atWork ?? 0) > 1) say(`two programs change h${id} at once`);
  };
  fleet.onContact = ({ id, order, program }) => {
    look(id);
    if (order.program !== 'upgrade' && order.program !== 'revert' && order.program !== 'confirm') return;
    const action = order.program === 'confirm' ? order.verb : program;
    const text = two.bucket.texts().get(`journal/${String(order.fence).padStart(12, '0')}.json`);
    const body = text === undefined ? null : (JSON.parse(text) as Entry).body;
    if (body?.kind !== 'hosts-intended' || body.action !== action || !body.hosts.includes(id))
      say(`h${id} was touched (${action}) without a durable intention`);
  };
  fleet.onAnswer = ({ id }) => look(id);
}

async function checkEnd(two: TwoMachines, say: (what: string) => void): Promise<void> {
  const { world } = two;
  const entries = two.entries();
  const broken = verifyChain(entries, sha256);
  if (broken !== null) say(`the chain is broken: ${JSON.stringify(broken)}`);
  for (const wrong of checkJournal(entries)) say(wrong);
  const taken = await takeovers(two);
  for (const [index, { epoch }] of taken.entries())
    if (index > 0 && epoch <= (taken[index - 1]?.epoch ?? 0)) say(`epoch ${epoch} came again`);
  for (const { process, at, id } of world.fleet.contacts) {
    const own = taken.findLast(({ name }) => name === `m${process}`);
    const next = taken.find(({ epoch }) => own !== undefined && epoch > own.epoch);
    if (next !== undefined && at >= next.at)
      say(`m${process} contacted h${id} ${at - next.at} ms after ${next.name} had taken over`);
  }
  for (const { seq, hosts } of unansweredAtTakeover(entries)) {
    for (const id of hosts) {
      const again = entries.some(
        (entry) => entry.seq > seq && entry.body.kind === 'hosts-intended' && entry.body.hosts.includes(id),
      );
      if (!again) say(`nobody has looked at h${id} again, whose answer was lost`);
    }
  }
  const { rollout } = foldEntries(entries);
  const phase = rollout?.phase.kind ?? 'nothing';
  if (phase !== 'done' && phase !== 'rolled-back') say(`it ended ${phase}`);
  const expected = phase === 'done' ? world.artifacts.fresh : world.artifacts.old;
  for (const { host, running, armed } of world.fleet.hosts.values()) {
    if (armed.isPending) say(`${host.name} would still go back by itself`);
    if (running !== expected.executable.sha256)
      say(`${host.name} runs something else than ${expected.version}`);
  }
}

function describe(end: Ended): string {
  if (end === 'killed') return end;
  if (end.kind === 'failed') return `failed (${end.message})`;
  return 'reason' in end ? `${end.kind} (${end.reason.code})` : end.kind;
}

/** A fleet whose waves are slow enough to be cut in two. */
export function slowWorld(): World {
  return makeWorld({ hosts: someHosts(6), policy: { ...somePolicy, soakMs: 10_000, bakeMs: 15_000 } });
}
