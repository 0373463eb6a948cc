/** The lease in a bucket in memory: the contract, and what can happen to its holder's requests, clock and object. */
import { beforeEach, describe, expect, it } from 'vitest';
import { gcsJournal } from '../../../../src/adapters/google/storage/journal.ts';
import { type GcsLeaseOptions, gcsLease } from '../../../../src/adapters/google/storage/lease.ts';
import type { HeldLease, Lease } from '../../../../src/ports/lease.ts';
import { leaseContract } from '../../../contract/lease.ts';
import {
  type MemoryBucket,
  type MemoryClient,
  memoryBucket,
  type ObjectFault,
} from '../../../fakes/google/memory-objects.ts';
import { chainOf, draft, someActor } from '../../../fakes/journal-entries.ts';
import { type ManualClock, manualClock } from '../../../fakes/manual-clock.ts';

let clock: ManualClock;
let bucket: MemoryBucket;
const dead = new Set<number>();
/** All on one machine, whose dead are known. */
const processes: NonNullable<GcsLeaseOptions['processes']> = {
  mark: async (hostname, pid) => ({
    hostname,
    pid,
    bootId: 'boot-1',
    pidNamespace: 'pid:[1]',
    startTicks: '7',
  }),
  hasEnded: async (mark, here) => mark.hostname === here.hostname && dead.has(mark.pid),
};

beforeEach(() => {
  clock = manualClock();
  bucket = memoryBucket({ clock });
  dead.clear();
});

type More = Partial<GcsLeaseOptions> & { readonly client?: MemoryClient };
const of = (pid: number, { client = bucket.client(), ...more }: More = {}): Lease =>
  gcsLease({ objects: client.objects, clock, hostname: 'ops-1', pid, ...more });

async function taken(lease: Lease, force = false): Promise<HeldLease> {
  const got = await lease.acquire(someActor, { force });
  if (!got.ok) throw new Error(JSON.stringify(got.error));
  return got.value;
}

const stored = (): Record<string, unknown> => JSON.parse(bucket.texts().get('lease.json') ?? 'null');

leaseContract('the lease in a bucket in memory', async () => ({
  clock,
  of: (pid) => of(pid, { processes }),
  kill: (pid) => {
    dead.add(pid);
  },
  close: async () => undefined,
}));

/** As the engine does: three heartbeats in a lifetime. Tells when it was lost, ms after the start. */
function beating(held: HeldLease): { lostAfter: number | null; end(): void } {
  const started = clock.elapsedMs;
  const ended = new AbortController();
  const state = { lostAfter: null as number | null, end: () => ended.abort() };
  void (async () => {
    while (!ended.signal.aborted) {
      await clock.sleep(10_000, ended.signal);
      if (ended.signal.aborted || (await held.renew()) === 'held') continue;
      state.lostAfter = clock.elapsedMs - started;
      return;
    }
  })();
  return state;
}

describe('a holder that no longer reaches the bucket', () => {
  it.each<[string, ObjectFault]>([
    ['gets no answer', 'unavailable'],
    ['is denied', 'denied'],
    ['waits for answers that never come', 'hangs'],
  ])('counts itself lost two seconds before others may take it: it %s', async (_, fault) => {
    const client = bucket.client();
    const heart = beating(await taken(of(1, { client })));
    client.faults = () => fault;
    await clock.advance(29_999);
    expect(heart.lostAfter).toBe(28_000);
    expect((await of(2).acquire(someActor)).ok).toBe(false);
    await clock.advance(1);
    expect(await taken(of(2))).toMatchObject({ epoch: 2, takenFrom: { pid: 1 } });
  });

  it.each<[string, ObjectFault]>([
    ['answers get lost', 'cut'],
    ['answers never come', 'done-hangs'],
  ])('counts itself lost in time though its writings arrive and their %s', async (_, fault) => {
    const client = bucket.client();
    const heart = beating(await taken(of(1, { client })));
    client.faults = () => fault;
    await clock.advance(40_000);
    expect(heart.lostAfter).toBe(28_000);
  });

  it('keeps it when the bucket is back before that', async () => {
    const client = bucket.client();
    const heart = beating(await taken(of(1, { client })));
    client.faults = () => 'unavailable';
    await clock.advance(26_000);
    client.faults = null;
    await clock.advance(34_000);
    expect(heart.lostAfter).toBeNull();
    heart.end();
    expect(await of(2).holder()).toMatchObject({ pid: 1, epoch: 1 });
  });

  it('is lost in time by its own count where its clock was put back meanwhile, however far', async () => {
    const own = manualClock();
    const client = bucket.client();
    const held = await taken(of(1, { client, clock: own }));
    client.faults = () => 'unavailable';
    own.jumpWall(-3_600_000);
    await own.advance(10_000);
    let answer: string | null = null;
    void held.renew().then((said) => {
      answer = said;
    });
    await own.advance(17_000);
    expect(answer).toBeNull();
    await own.advance(1_000);
    expect(answer).toBe('lost');
  });

  it('is lost at once where its clock jumped forward, as after a laptop’s sleep', async () => {
    const own = manualClock();
    const client = bucket.client();
    const held = await taken(of(1, { client, clock: own }));
    client.faults = () => 'unavailable';
    own.jumpWall(60_000);
    expect(await held.renew()).toBe('lost');
  });

  it('does not wait for the end of a try that hangs: the next may get through', async () => {
    const client = bucket.client();
    const held = await taken(of(1, { client }));
    await clock.advance(10_000);
    let calls = 0;
    client.faults = () => (calls++ === 0 ? 'hangs' : null);
    const renewed = held.renew();
    await clock.advance(6_000);
    expect(await renewed).toBe('held');
    expect((await of(2).holder())?.expiresAt).toBe(clock.now() + 29_000);
  });

  it('stays lost once it was told so, also when its object still is its own', async () => {
    const client = bucket.client();
    const held = await taken(of(1, { client }));
    client.faults = () => 'unavailable';
    await clock.advance(28_000);
    expect(await held.renew()).toBe('lost');
    client.faults = null;
    const before = bucket.texts().get('lease.json');
    expect(await held.renew()).toBe('lost');
    await held.release();
    expect(bucket.texts().get('lease.json')).toBe(before);
  });
});

describe('a lost reply', () => {
  it.each<[string, ObjectFault]>([
    ['and the second try finds its own work', 'lost-reply'],
    ['and the bucket is not asked again', 'cut'],
  ])('to taking it is no loss: %s', async (_, fault) => {
    for (const epoch of [1, 2]) {
      const client = bucket.client();
      let faults = 0;
      client.faults = (call) => (call !== 'read' && faults++ === 0 ? fault : null);
      const held = await taken(of(epoch, { client }));
      expect(held.epoch).toBe(epoch);
      expect(await held.renew()).toBe('held');
      await held.release();
    }
  });

  it('to taking it, with nobody to ask for it, is not known: one is not refused to oneself', async () => {
    const client = bucket.client();
    const calls: string[] = [];
    client.faults = (call) => {
      calls.push(call);
      if (call === 'create') return 'lost-reply';
      return calls.at(-2) === 'create' ? 'unavailable' : null;
    };
    expect(await of(1, { client }).acquire(someActor)).toMatchObject({
      ok: false,
      error: { kind: 'unavailable' },
    });
  });

  it('to a heartbeat, or to all of them, is no loss', async () => {
    const client = bucket.client();
    const held = await taken(of(1, { client }));
    client.faults = (call) => (call === 'replace' ? 'lost-reply' : null);
    for (let beat = 0; beat < 5; beat++) {
      await clock.advance(10_000);
      expect(await held.renew()).toBe('held');
      expect(await of(2).holder()).toMatchObject({ expiresAt: clock.now() + 30_000 });
    }
    client.faults = null;
    expect(await held.renew()).toBe('held');
  });

  it('to a heartbeat does not lengthen the life: it counts from when the bucket may have written it', async () => {
    const client = bucket.client();
    const held = await taken(of(1, { client }));
    await clock.advance(10_000);
    let replaced = 0;
    client.faults = (call) => (call === 'replace' && replaced++ === 0 ? 'done-hangs' : null);
    const renewed = held.renew();
    await clock.advance(8_000);
    expect(await renewed).toBe('held');
    client.faults = () => 'unavailable';
    const heart = beating(held);
    const until = (await of(2).holder())?.expiresAt ?? 0;
    const left = until - clock.now();
    await clock.advance(40_000);
    expect(heart.lostAfter).toBeLessThanOrEqual(left - 2_000);
  });

  it('to giving it back is no loss', async () => {
    const client = bucket.client();
    const held = await taken(of(1, { client }));
    client.faults = (call) => (call === 'replace' ? 'lost-reply' : null);
    await held.release();
    expect(stored()).toMatchObject({ released: true });
    expect(await of(2).holder()).toBeNull();
  });
});

describe('giving it back', () => {
  it('is not waited for longer than five seconds, and it lapses then', async () => {
    const client = bucket.client();
    const held = await taken(of(1, { client }));
    client.faults = () => 'hangs';
    let given = false;
    void held.release().then(() => {
      given = true;
    });
    await clock.advance(5_000);
    expect(given).toBe(true);
    await clock.advance(25_000);
    expect(await taken(of(2))).toMatchObject({ epoch: 2 });
  });

  it('is not undone by a heartbeat that was under way and arrives only then', async () => {
    const client = bucket.client();
    const held = await taken(of(1, { client }));
    let arrive = (): void => undefined;
    const until = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    let replaced = 0;
    client.faults = (call) => (call === 'replace' && replaced++ === 0 ? { until } : null);
    const renewed = held.renew();
    await clock.advance(6_000);
    expect(await renewed).toBe('held');
    await held.release();
    arrive();
    await clock.advance(60_000);
    expect(stored()).toMatchObject({ released: true });
  });

  it('leaves no timer behind, nor does losing it', async () => {
    const held = await taken(of(1));
    await held.renew();
    await held.release();
    expect(clock.sleepers).toBe(0);
    const other = await taken(of(2));
    await taken(of(3), true);
    expect(await other.renew()).toBe('lost');
    expect((await of(4).acquire(someActor)).ok).toBe(false);
    // The one who took it by force.
    expect(clock.sleepers).toBe(1);
  });
});

describe('epochs', () => {
  it('go on behind the newest in the journal where somebody took the object away', async () => {
    const journal = gcsJournal({ objects: bucket.client().objects, clock });
    const { epoch: _, ...request } = draft({ kind: 'pause-requested' });
    for (const entry of chainOf([draft(undefined, { epoch: 6 }), request]))
      expect((await journal.append(entry)).ok).toBe(true);
    const held = await taken(of(1));
    expect(held.epoch).toBe(7);
    bucket.remove('lease.json');
    expect(await held.renew()).toBe('lost');
    await held.release();
    expect(bucket.texts().has('lease.json')).toBe(false);
  });

  it('are not given out where the journal, which alone could tell, does not answer', async () => {
    const client = bucket.client();
    client.faults = (call) => (call === 'list' ? 'unavailable' : null);
    expect(await of(1, { client }).acquire(someActor)).toMatchObject({
      ok: false,
      error: { kind: 'unavailable', message: expect.stringContaining('gs://memory/gstg') },
    });
    expect(bucket.texts().has('lease.json')).toBe(false);
  });

  it('go on though nobody can read the object: it says its epoch beside its text too', async () => {
    await (await taken(of(1))).release();
    await taken(of(2));
    bucket.put('lease.json', '{"schema":2}');
    expect(await taken(of(3), true)).toMatchObject({ epoch: 3 });
  });
});

describe('an object that cannot be understood', () => {
  it.each(['', '{"schema":1,"ep', '{}', '{"schema":2,"epoch":1}', '[]', 'null'])(
    'is somebody’s for one ttl after it was written: %j',
    async (text) => {
      bucket.put('lease.json', text);
      await clock.advance(29_000);
      const holder = { epoch: 0, unreadable: expect.stringContaining('cannot be understood') };
      expect(await of(1).acquire(someActor)).toMatchObject({ ok: false, error: { kind: 'held', holder } });
      expect(await of(1).holder()).toMatchObject(holder);
      await clock.advance(1_000);
      expect(await of(1).holder()).toBeNull();
      expect(await taken(of(1))).toMatchObject({ epoch: 1, takenFrom: holder });
    },
  );

  it('is told as unreadable where the bucket does not answer, and says why', async () => {
    const client = bucket.client();
    client.faults = () => 'denied';
    const lease = of(1, { client });
    expect(await lease.holder()).toMatchObject({ unreadable: expect.stringContaining('may not read') });
    expect(await lease.acquire(someActor)).toMatchObject({
      ok: false,
      error: { kind: 'unavailable', message: expect.stringContaining('may not read') },
    });
  });
});

describe('whose clock counts', () => {
  it.each([-3_600_000, 3_600_000])(
    'is the bucket’s, not the contender’s, which is %i ms off',
    async (off) => {
      await taken(of(1));
      const own = manualClock({ start: clock.now() + off });
      await clock.advance(29_000);
      expect((await of(2, { clock: own }).acquire(someActor)).ok).toBe(false);
      await clock.advance(1_000);
      expect((await of(2, { clock: own }).acquire(someActor)).ok).toBe(true);
    },
  );

  it('is waited out in whole seconds, since the bucket tells no finer: late, never early', async () => {
    await clock.advance(999);
    await taken(of(1));
    await clock.advance(30_000);
    expect((await of(2).acquire(someActor)).ok).toBe(false);
    await clock.advance(1);
    expect((await of(2).acquire(someActor)).ok).toBe(true);
  });
});

describe('a holder whose process has ended', () => {
  it('is waited out where it ran on another machine', async () => {
    await taken(of(1, { processes, hostname: 'ci-7' }));
    dead.add(1);
    expect((await of(2, { processes }).acquire(someActor)).ok).toBe(false);
  });

  it('is waited out where its machine could not say which boot and start it was', async () => {
    await taken(of(1, { processes: { ...processes, mark: async (hostname, pid) => ({ hostname, pid }) } }));
    dead.add(1);
    expect((await of(2, { processes }).acquire(someActor)).ok).toBe(false);
  });
});
