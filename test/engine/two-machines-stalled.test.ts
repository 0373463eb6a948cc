/**
 * A machine that stands still in the middle of its work, as a suspended laptop or a stopped container does, while another takes over:
 * what it had begun to ask for goes out when it wakes, before it can know that its lease is over. The fence on the host is what is left.
 * STALL_SEEDS=n runs that many lives, STALL_SEED=n one, with its trace.
 */
import { describe, expect, it } from 'vitest';
import { gcsJournal } from '../../src/adapters/google/storage/journal.ts';
import { gcsLease } from '../../src/adapters/google/storage/lease.ts';
import type { Objects } from '../../src/adapters/google/storage/objects.ts';
import { foldEntries, isFinished } from '../../src/domain/fold.ts';
import { HOST_EXIT } from '../../src/domain/host-order.ts';
import { verifyChain } from '../../src/domain/journal.ts';
import type { EngineContext } from '../../src/engine/context.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { sha256, someActor } from '../fakes/journal-entries.ts';
import { checkJournal } from './journal-checks.ts';
import { randomOf } from './random.ts';
import { type TwoMachines, takeovers, twoMachines, unansweredAtTakeover } from './two-machines.ts';
import { begin, carryOn, makeWorld, NEW, type Process, someHosts, type World } from './world.ts';

const only = process.env.STALL_SEED;
const count = Number(process.env.STALL_SEEDS ?? 300);

interface Stalling {
  readonly process: Process;
  readonly name: string;
  /** Nothing moves in it for so long; what came meanwhile it sees afterwards. */
  stall(ms: number): void;
  /** Called before a host is contacted; may stall it there. */
  onBegin: ((id: string, program: string) => void) | null;
}

function stalling(two: TwoMachines): Stalling {
  const { world } = two;
  const process = world.process();
  const { context } = process;
  const name = `m${process.pid}`;
  const standing: { until: Promise<void> | null } = { until: null };
  const awake = async (): Promise<void> => {
    while (standing.until !== null) await standing.until;
  };
  const seen = async <T>(come: Promise<T>): Promise<T> => {
    const what = await come;
    await awake();
    return what;
  };
  const clock: Clock = {
    now: () => context.clock.now(),
    sleep: (ms, signal) => seen(context.clock.sleep(ms, signal)),
  };
  const { objects } = two.bucket.client();
  const slowed: Objects = {
    ...objects,
    create: (...given) => seen(objects.create(...given)),
    replace: (...given) => seen(objects.replace(...given)),
    read: (...given) => seen(objects.read(...given)),
    facts: (...given) => seen(objects.facts(...given)),
    list: (...given) => seen(objects.list(...given)),
  };
  const self: Stalling = {
    name,
    onBegin: null,
    process: {
      ...process,
      context: {
        ...context,
        clock,
        actor: { ...someActor, hostname: name },
        journal: gcsJournal({ objects: slowed, clock }),
        lease: gcsLease({ objects: slowed, clock, hostname: name, pid: process.pid }),
        inventory: { list: () => seen(context.inventory.list()) },
        metrics: { range: (query) => seen(context.metrics.range(query)) },
        remote: {
          async run(host, job, signal) {
            self.onBegin?.(host.id, job.order.program);
            await awake();
            return seen(context.remote.run(host, job, signal));
          },
          close: () => context.remote.close(),
        },
      } satisfies EngineContext,
    },
    stall(ms) {
      const end = world.clock.sleep(ms).then(() => {
        if (standing.until === end) standing.until = null;
      });
      standing.until = end;
    },
  };
  return self;
}

interface Refused {
  readonly id: string;
  readonly process: number;
}

/** Says of every moment what is wrong in it, and lists what hosts refused as older than what they have seen. */
function watch(two: TwoMachines, say: (what: string) => void): Refused[] {
  const { fleet } = two.world;
  const refused: Refused[] = [];
  const look = (id: string): void => {
    if ((fleet.hosts.get(id)?.atWork ?? 0) > 1) say(`two programs change h${id} at once`);
  };
  fleet.onContact = ({ id }) => look(id);
  fleet.onAnswer = ({ id, process }, answer) => {
    look(id);
    if (answer.kind === 'answered' && answer.exitCode === HOST_EXIT.fenced) refused.push({ id, process });
  };
  return refused;
}

async function followUp(two: TwoMachines, second: Process, note: (what: string) => void): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    await two.world.clock.sleep(3_000);
    const end = await carryOn(second);
    const kind = end === 'killed' ? end : end.kind;
    if (kind !== 'locked' && kind !== 'nothing-to-run') return note(`the other one: ${kind}`);
    if (isOver(two)) return;
  }
}

function isOver(two: TwoMachines): boolean {
  const { rollout } = foldEntries(two.entries());
  return rollout !== null && isFinished(rollout);
}

function aWorld(hosts: number, behaviour: { cpu?: number } = {}): World {
  return makeWorld({ hosts: someHosts(hosts), policy: { soakMs: 10_000, bakeMs: 15_000 }, behaviour });
}

async function wrongAtEnd(two: TwoMachines, stalled: Stalling): Promise<string[]> {
  const { world } = two;
  const entries = two.entries();
  const wrong = checkJournal(entries);
  const broken = verifyChain(entries, sha256);
  if (broken !== null) wrong.push(`the chain is broken: ${JSON.stringify(broken)}`);
  const taken = await takeovers(two);
  const last = taken.findLast(({ name }) => name === stalled.name);
  const next = taken.find(({ epoch }) => last !== undefined && epoch > last.epoch);
  const fence = entries.findIndex(({ body }) => body.kind === 'lease-taken' && body.epoch === next?.epoch);
  if (fence >= 0 && entries.slice(fence).some(({ actor }) => actor.hostname === stalled.name))
    wrong.push(`${stalled.name} wrote behind ${next?.name}`);
  for (const { seq, hosts } of unansweredAtTakeover(entries)) {
    for (const id of hosts) {
      const again = entries.some(
        (entry) => entry.seq > seq && entry.body.kind === 'hosts-intended' && entry.body.hosts.includes(id),
      );
      if (!again) wrong.push(`nobody has looked at h${id} again, whose answer was lost`);
    }
  }
  const phase = foldEntries(entries).rollout?.phase.kind ?? 'nothing';
  if (phase !== 'done' && phase !== 'rolled-back') wrong.push(`it ended ${phase}`);
  const expected = phase === 'done' ? world.artifacts.fresh : world.artifacts.old;
  for (const { host, running } of world.fleet.hosts.values())
    if (running !== expected.executable.sha256)
      wrong.push(`${phase}, and ${host.name} does not run ${expected.version}`);
  return wrong;
}

describe('a machine that stands still while it is taken over', () => {
  it('is refused by the host when it wakes, writes nothing, and ends as one that lost its lease', async () => {
    const two = twoMachines(aWorld(6));
    const { world } = two;
    const wrong: string[] = [];
    const refused = watch(two, (what) => wrong.push(what));
    const first = stalling(two);
    let stalls = 0;
    // Some of the canaries were contacted; the next one is about to be.
    first.onBegin = (_, program) => {
      if (program !== 'upgrade') return;
      stalls += 1;
      if (stalls === 2) first.stall(120_000);
    };
    const run = begin(first.process);
    const other = followUp(two, two.machine().process, () => undefined);
    const [ended] = await world.clock.run(Promise.all([run, other]));
    expect(ended).toMatchObject({ kind: 'failed' });
    expect(refused.map((one) => one.process)).toEqual([first.process.pid]);
    expect(wrong).toEqual([]);
    expect(await wrongAtEnd(two, first)).toEqual([]);
    expect(Object.values(world.running())).toEqual(Array(6).fill(NEW));
  });

  it('changes no host twice at once, writes nothing behind the other, and the end is right, in random lives', {
    timeout: 300_000,
  }, async () => {
    const seeds =
      only === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(only)];
    const wrong: string[] = [];
    const seen = { takenOver: 0, refused: 0, rolledBack: 0 };
    for (const seed of seeds) {
      const random = randomOf(seed);
      const world = aWorld(random.whole(3, 8), random.chance(0.3) ? { cpu: 0.5 } : {});
      const two = twoMachines(world, () => random.whole(5, 400));
      const trace: string[] = [];
      const say = (what: string): void => {
        trace.push(`${Math.round(world.clock.elapsedMs / 100) / 10}s ${what}`);
      };
      const bad: string[] = [];
      const refused = watch(two, (what) => bad.push(what));
      const first = stalling(two);
      let until = random.whole(1, 14);
      first.onBegin = (id, program) => {
        until -= 1;
        if (until !== 0) return;
        until = random.whole(5, 20);
        const ms = random.pick([5_000, 29_000, 40_000, 90_000, 300_000]);
        say(`${first.name} stands still for ${ms} ms before h${id} (${program})`);
        first.stall(ms);
      };
      const ended = begin(first.process).then((end) => say(`it: ${JSON.stringify(end).slice(0, 200)}`));
      await world.clock.run(Promise.all([ended, followUp(two, two.machine().process, say)]), 6 * 3_600_000);
      for (let round = 0; round < 20 && !isOver(two); round += 1) {
        await world.clock.advance(40_000);
        const started = foldEntries(two.entries()).rollout !== null;
        const third = two.machine().process;
        await world.clock.run(started ? carryOn(third) : begin(third));
      }
      bad.push(...(await wrongAtEnd(two, first)));
      const taken = await takeovers(two);
      if (taken.some(({ name }) => name === first.name) && taken.at(-1)?.name !== first.name)
        seen.takenOver += 1;
      if (refused.length > 0) seen.refused += 1;
      if (foldEntries(two.entries()).rollout?.phase.kind === 'rolled-back') seen.rolledBack += 1;
      if (only !== undefined) console.log(trace.join('\n'));
      if (bad.length > 0) wrong.push([`seed ${seed}:`, ...bad, ...trace].join('\n  '));
      if (wrong.length >= 5) break;
    }
    expect(wrong.join('\n\n')).toBe('');
    if (only === undefined) {
      // Else the lives would be too tame to show anything.
      expect(seen.takenOver / seeds.length).toBeGreaterThan(0.3);
      expect(seen.refused / seeds.length).toBeGreaterThan(0.05);
      expect(seen.rolledBack / seeds.length).toBeGreaterThan(0.05);
    }
  });
});
