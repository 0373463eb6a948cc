/** One environment in one bucket, two machines, one partitioned. TWO_SEEDS=n runs that many lives, TWO_SEED=n one, with its trace. */
import { describe, expect, it } from 'vitest';
import { foldEntries } from '../../src/domain/fold.ts';
import { verifyChain } from '../../src/domain/journal.ts';
import { sha256 } from '../fakes/journal-entries.ts';
import { checkJournal } from './journal-checks.ts';
import {
  type SharedLife,
  shareOneRollout,
  slowWorld,
  takeovers,
  twoMachines,
  unansweredAtTakeover,
} from './two-machines.ts';
import { begin, carryOn, NEW } from './world.ts';

const only = process.env.TWO_SEED;
const count = Number(process.env.TWO_SEEDS ?? 300);

function told(life: SharedLife): string {
  return [`seed ${life.seed} ended ${life.end}:`, ...life.violations, ...life.trace].join('\n  ');
}

describe('a machine that is cut off from the bucket while hosts are at work', () => {
  it.each(['requests', 'replies'] as const)(
    'is followed by another once its lease has lapsed, touches nothing after that, and its lost answers are looked up (%s lost)',
    async (how) => {
      const two = twoMachines(slowWorld());
      const { world } = two;
      const first = two.machine(3_600_000);
      const second = two.machine(-3_600_000);
      const run = begin(first.process);
      // The canaries' programs have begun; their answers never reach the bucket.
      const isAtWork = (): boolean => [...world.fleet.hosts.values()].some((host) => host.atWork > 0);
      while (!isAtWork()) await world.clock.run(Promise.race([run, world.clock.sleep(100)]));
      first.client.partition = how;
      const cutAt = world.clock.elapsedMs;
      const before = two.entries().length;

      expect(await world.clock.run(carryOn(second.process))).toMatchObject({ kind: 'locked' });
      expect(await world.clock.run(run)).toMatchObject({ kind: 'failed' });
      const touched = world.fleet.contacts.filter((contact) => contact.process === first.process.pid).length;

      let ended = await world.clock.run(carryOn(second.process));
      while (ended !== 'killed' && ended.kind === 'locked') {
        await world.clock.advance(1_000);
        ended = await world.clock.run(carryOn(second.process));
      }
      expect(ended).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
      const [, taken] = await takeovers(two);
      expect(taken).toMatchObject({ name: second.name, epoch: 2 });
      // At most a heartbeat, the lifetime and the whole second of the server's clock later.
      expect((taken?.at ?? 0) - world.clock.others.now() + world.clock.elapsedMs - cutAt).toBeLessThan(
        45_000,
      );

      expect(world.fleet.contacts.filter((contact) => contact.process === first.process.pid)).toHaveLength(
        touched,
      );
      const entries = two.entries();
      const late = entries.slice(before).filter(({ actor }) => actor.hostname === first.name);
      // Requests that got through before their replies were lost may stand; nothing of it is behind the takeover.
      const fence = entries.findIndex(({ body }) => body.kind === 'lease-taken' && body.epoch === 2);
      expect(late.every(({ seq }) => seq - 1 < fence)).toBe(true);
      if (how === 'requests') {
        const [lost] = unansweredAtTakeover(entries);
        expect(lost?.hosts.length).toBeGreaterThan(0);
        const again = entries.slice(fence).find(({ body }) => body.kind === 'hosts-intended')?.body;
        expect(again).toMatchObject({ action: 'inspect', hosts: expect.arrayContaining(lost?.hosts ?? []) });
      }
      expect(verifyChain(entries, sha256)).toBeNull();
      expect(checkJournal(entries)).toEqual([]);
      expect(Object.values(world.running())).toEqual(Array(6).fill(NEW));
    },
  );

  it('writes nothing when the network is back and the other one is at work', async () => {
    const two = twoMachines(slowWorld());
    const { world } = two;
    const first = two.machine();
    const run = begin(first.process);
    await world.clock.run(Promise.race([run, world.clock.sleep(3_000)]));
    first.client.partition = 'requests';
    // Taken over by force, as an emergency does: before the first one knows that it has lost anything.
    const second = two.machine();
    const { lease } = second.process.context;
    const forceful = {
      ...second.process,
      context: {
        ...second.process.context,
        lease: {
          ...lease,
          acquire: (actor: Parameters<typeof lease.acquire>[0]) => lease.acquire(actor, { force: true }),
        },
      },
    };
    const other = carryOn(forceful);
    world.clock.after(4_000, () => {
      first.client.partition = 'none';
    });
    const [ended, carried] = await world.clock.run(Promise.all([run, other]));
    expect(ended).toMatchObject({ kind: 'failed' });
    expect(carried).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
    const entries = two.entries();
    const fence = entries.findIndex(({ body }) => body.kind === 'lease-taken' && body.epoch === 2);
    expect(fence).toBeGreaterThan(0);
    expect(entries.slice(fence).every(({ actor }) => actor.hostname === second.name)).toBe(true);
    expect(checkJournal(entries)).toEqual([]);
    expect(foldEntries(entries).receipts).toHaveLength(1);
  });
});

describe('a random life of two machines on one bucket', () => {
  it('changes no host twice at once, writes nothing behind a takeover, loses no host, and ends right', {
    timeout: 300_000,
  }, async () => {
    const seeds =
      only === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(only)];
    const lives: SharedLife[] = [];
    for (const seed of seeds) {
      const life = await shareOneRollout(seed);
      lives.push(life);
      if (only !== undefined) console.log(told(life));
      if (lives.filter(({ violations }) => violations.length > 0).length >= 5) break;
    }
    const wrong = lives.filter(({ violations }) => violations.length > 0);
    expect(wrong.map(told).join('\n\n')).toBe('');
    if (only === undefined) {
      // Else the lives would be too tame to show anything.
      const share = (what: (life: SharedLife) => boolean): number => lives.filter(what).length / lives.length;
      expect(share(({ tookOver }) => tookOver)).toBeGreaterThan(0.2);
      expect(share(({ unanswered }) => unanswered > 0)).toBeGreaterThan(0.05);
      expect(share(({ end }) => end === 'rolled-back')).toBeGreaterThan(0.05);
    }
  });
});
