/** The lease through Google's client library over HTTP: the contract, replies that get lost, and processes at once. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/adapters/clock/system-clock.ts';
import { type GcsLeaseOptions, gcsLease } from '../../../../src/adapters/google/storage/lease.ts';
import type { ObjectFacts, Objects } from '../../../../src/adapters/google/storage/objects.ts';
import type { Clock } from '../../../../src/ports/clock.ts';
import { leaseContract } from '../../../contract/lease.ts';
import { type StorageUnderTest, storageUnderTest } from '../../../fakes/google/storage-under-test.ts';
import { someActor } from '../../../fakes/journal-entries.ts';
import { type ManualClock, manualClock } from '../../../fakes/manual-clock.ts';
import type { Contention } from './lease-contender.ts';

let rig: StorageUnderTest;
const aClock = (): ManualClock => manualClock({ start: Math.floor(Date.now() / 1_000) * 1_000 });
let clock = aClock();
let folders = 0;
const children: ChildProcess[] = [];
const dead = new Set<number>();
beforeAll(async () => {
  rig = await storageUnderTest({ now: () => clock.now() });
});
beforeEach(() => {
  clock = aClock();
  dead.clear();
});
afterEach(() => {
  rig.fake?.clearFaults();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rig.close());

const aFolder = (): string => `team/lease-${folders++}`;
const processes: NonNullable<GcsLeaseOptions['processes']> = {
  mark: async (hostname, pid) => ({ hostname, pid, bootId: 'b', pidNamespace: 'n', startTicks: '7' }),
  hasEnded: async (mark) => dead.has(mark.pid),
};

/** As a server would tell it whose clock the test moves: another server's stands where it stands. */
function inTimeOf(now: Clock, writtenAt: Map<string, number>, objects: Objects): Objects {
  const told = (facts: ObjectFacts): ObjectFacts => ({
    ...facts,
    writtenAt: writtenAt.get(facts.generation) ?? facts.writtenAt,
  });
  const noted = async (writing: ReturnType<Objects['create']>): ReturnType<Objects['create']> => {
    const at = now.now();
    const done = await writing;
    if (!done.ok) return done;
    writtenAt.set(done.value.generation, at);
    return { ok: true, value: told(done.value) };
  };
  return {
    ...objects,
    create: (...given) => noted(objects.create(...given)),
    replace: (...given) => noted(objects.replace(...given)),
    async read(...given) {
      const read = await objects.read(...given);
      return read.ok ? { ok: true, value: { ...read.value, facts: told(read.value.facts) } } : read;
    },
    serverNow: () => Math.floor(now.now() / 1_000) * 1_000,
  };
}

leaseContract('a lease in a bucket over HTTP', async () => {
  const prefix = aFolder();
  const writtenAt = new Map<string, number>();
  const objects = (): Objects =>
    rig.fake === null ? inTimeOf(clock, writtenAt, rig.objects(prefix)) : rig.objects(prefix);
  return {
    clock,
    of: (pid) => gcsLease({ objects: objects(), clock, hostname: 'ops-1', pid, processes }),
    kill: (pid) => {
      dead.add(pid);
    },
    close: async () => undefined,
  };
});

describe('a lease in a bucket over HTTP', () => {
  it('lasts from when the server wrote it, by the clock that the server tells', async () => {
    const objects = rig.objects(aFolder());
    const lease = gcsLease({ objects, clock: systemClock, hostname: 'ops-1', pid: 1 });
    const held = await lease.acquire(someActor);
    const holder = await lease.holder();
    const writtenAt = (holder?.expiresAt ?? 0) - lease.ttlMs;
    expect(Math.abs(writtenAt - (objects.serverNow() ?? 0))).toBeLessThanOrEqual(5_000);
    if (held.ok) await held.value.release();
    expect(await lease.holder()).toBeNull();
  });

  const trouble = [
    ['its reply gets lost', { on: 'insert', kind: 'lost-reply' }],
    ['its reply is cut off', { on: 'insert', kind: 'truncated-body' }],
    ['the server is busy', { on: 'insert', kind: 'status', status: 503 }],
  ] as const;
  it.each(trouble)('is taken, renewed and given back though each time %s', async (_, fault) => {
    const objects = rig.objects(aFolder());
    const lease = gcsLease({ objects, clock: systemClock, hostname: 'ops-1', pid: 1 });
    // Another server shows no faults on demand: there it is the plain way.
    const next = (): void => rig.fake?.fault({ ...fault, name: 'lease.json' });
    next();
    const got = await lease.acquire(someActor);
    if (!got.ok) throw new Error(JSON.stringify(got.error));
    expect(got.value.epoch).toBe(1);
    next();
    expect(await got.value.renew()).toBe('held');
    next();
    await got.value.release();
    expect(await lease.holder()).toBeNull();
  });

  interface Contender {
    readonly child: ChildProcess;
    /** The next line of what it says. */
    next(): Promise<string>;
  }
  function contender(prefix: string): Contender {
    const contention: Contention = {
      url: rig.url,
      bucket: rig.bucket,
      prefix,
      keyFile: rig.identity.keyFile,
    };
    const script = join(import.meta.dirname, 'lease-contender.ts');
    const child = spawn(process.execPath, [script, JSON.stringify(contention)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, METADATA_SERVER_DETECTION: 'none' },
    });
    children.push(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { child, next: async () => String((await lines.next()).value) };
  }
  async function answers(all: readonly Contender[]) {
    for (const one of all) expect(await one.next()).toBe('ready');
    for (const { child } of all) child.stdin?.write('go\n');
    return Promise.all(all.map(async (one) => JSON.parse(await one.next())));
  }

  it('goes to exactly one of three processes that start at once; killed, it is free for those of its machine', {
    timeout: 60_000,
  }, async () => {
    const prefix = aFolder();
    const all = [contender(prefix), contender(prefix), contender(prefix)];
    const told = await answers(all);
    expect(told.filter((one) => one.epoch === 1)).toHaveLength(1);
    const winner = all[told.findIndex((one) => one.epoch === 1)]?.child;
    const refused = told.filter((one) => one.kind === 'held');
    expect(refused.map((one) => one.holder.pid)).toEqual([winner?.pid, winner?.pid]);

    winner?.kill('SIGKILL');
    await new Promise((resolve) => winner?.once('exit', resolve));
    const later = await answers([contender(prefix), contender(prefix)]);
    expect(later.map((one) => `${one.epoch ?? one.kind}`).toSorted()).toEqual(['2', 'held']);
    expect(later.find((one) => one.epoch === 2)?.takenFrom).toMatchObject({ pid: winner?.pid, epoch: 1 });
  });
});
