/** The lease in a real folder: the contract, real processes, and what only a disk can do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/adapters/clock/system-clock.ts';
import { localLease } from '../../../src/adapters/local-lease/local-lease.ts';
import { systemProcesses } from '../../../src/adapters/local-lease/process-table.ts';
import type { HeldLease, Lease } from '../../../src/ports/lease.ts';
import type { ProcessMark, ProcessTable } from '../../../src/ports/process-table.ts';
import { leaseContract } from '../../contract/lease.ts';
import { someActor } from '../../fakes/journal-entries.ts';
import { type ManualClock, manualClock } from '../../fakes/manual-clock.ts';

let base: string;
let folder: string;
let clock: ManualClock;
const dead = new Set<number>();
const processes: ProcessTable = {
  mark: async (host, pid) => ({ hostname: host, pid }),
  hasEnded: async (mark) => dead.has(mark.pid),
};

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'rollout-lease-'));
  folder = join(base, 'gstg', 'lease');
  clock = manualClock({ start: Date.now() });
  dead.clear();
});
afterEach(() => rm(base, { recursive: true, force: true }));

const of = (pid: number): Lease => localLease({ folder, clock, hostname: 'ops-1', pid, processes });
const fileOf = (epoch: number): string => join(folder, `${String(epoch).padStart(12, '0')}.json`);
const names = async (): Promise<string[]> => (await readdir(folder)).sort();

async function taken(lease: Lease, force = false): Promise<HeldLease> {
  const got = await lease.acquire(someActor, { force });
  if (!got.ok) throw new Error(JSON.stringify(got.error));
  return got.value;
}

leaseContract('the lease in a folder', async () => ({
  clock,
  of,
  kill: (pid) => {
    dead.add(pid);
  },
  close: async () => undefined,
}));

describe('the lease in a folder', () => {
  it('keeps one file an epoch, for its owner only, and the last few epochs', async () => {
    for (let pid = 1; pid <= 9; pid++) await (await taken(of(pid))).release();
    expect(await names()).toEqual([6, 7, 8, 9].map((epoch) => `${String(epoch).padStart(12, '0')}.json`));
    expect((await stat(fileOf(9))).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(fileOf(9), 'utf8'))).toMatchObject({ released: true, expiresAt: 0 });
  });

  it.each(['', '{"schema":1,"ep', '{}', '{"schema":2,"epoch":1}', '[]'])(
    'takes a newest file that holds %j as somebody’s for one ttl after its last change',
    async (text) => {
      await mkdir(folder, { recursive: true });
      await writeFile(fileOf(1), text);
      const changed = new Date(clock.now());
      await utimes(fileOf(1), changed, changed);
      await clock.advance(29_000);
      expect(await of(1).acquire(someActor)).toMatchObject({
        ok: false,
        error: { kind: 'held', holder: { epoch: 1 } },
      });
      expect(await of(1).holder()).toMatchObject({ unreadable: 'the lease’s file cannot be read' });
      await clock.advance(1_001);
      expect(await of(1).holder()).toBeNull();
      expect(await taken(of(1))).toMatchObject({
        epoch: 2,
        takenFrom: { unreadable: 'the lease’s file cannot be read' },
      });
    },
  );

  it('is lost when a person removes its file, and is not written again', async () => {
    const held = await taken(of(1));
    await rm(fileOf(1));
    expect(await held.renew()).toBe('lost');
    await held.release();
    expect(await names()).toEqual([]);
  });

  it('holds on while the folder cannot be written, until it lapses by its own clock, then is lost for good', async () => {
    const held = await taken(of(1));
    const text = await readFile(fileOf(1));
    await rm(folder, { recursive: true });
    await writeFile(folder, 'in the way');
    await clock.advance(29_000);
    expect(await held.renew()).toBe('held');
    await clock.advance(2_000);
    expect(await held.renew()).toBe('lost');
    await rm(folder);
    await mkdir(folder);
    await writeFile(fileOf(1), text);
    expect(await held.renew()).toBe('lost');
  });

  it('says what is wrong with the folder, and shows an unknown holder rather than none', async () => {
    await mkdir(join(base, 'gstg'));
    await writeFile(folder, 'in the way');
    const got = await of(1).acquire(someActor);
    expect(got).toMatchObject({ ok: false, error: { kind: 'unavailable' } });
    expect(!got.ok && 'message' in got.error && got.error.message).toContain(folder);
    expect(await of(1).holder()).toMatchObject({ unreadable: expect.stringContaining(folder) });
  });

  it('gives way when the holder turns out to be alive while it is being taken', async () => {
    const late = await taken(of(1));
    let looks = 0;
    const waking: ProcessTable = {
      ...processes,
      // The holder renews between the contender's first look and its creation of the next epoch.
      hasEnded: async () => {
        if (looks++ > 0) return false;
        expect(await late.renew()).toBe('held');
        return true;
      },
    };
    const contender = localLease({ folder, clock, hostname: 'ops-1', pid: 2, processes: waking });
    expect(await contender.acquire(someActor)).toMatchObject({
      ok: false,
      error: { kind: 'held', holder: { pid: 1 } },
    });
    expect(await late.renew()).toBe('held');
  });

  it('never has a late holder and a contender both believe that they hold it, in any order of their steps', async () => {
    let both = 0;
    for (let round = 0; round < 60; round++) {
      const late = await taken(of(1), true);
      await clock.advance(31_000);
      const delay = async (turns: number): Promise<void> => {
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      };
      const [renewed, got] = await Promise.all([
        delay(round % 12).then(() => late.renew()),
        delay(Math.floor(round / 12) * 2).then(() => of(2).acquire(someActor)),
      ]);
      if (renewed === 'held' && got.ok) both++;
    }
    expect(both).toBe(0);
  });

  it('sees the present holder though it stood still while many epochs went by and were pruned', async () => {
    await taken(of(1));
    let stalled = false;
    const stalling: ProcessTable = {
      ...processes,
      // Between its look at epoch 1 and its creation of epoch 2, nine others come and go and a tenth stays.
      hasEnded: async () => {
        if (stalled) return false;
        stalled = true;
        for (let pid = 10; pid < 19; pid++) await (await taken(of(pid), true)).release();
        await taken(of(19), true);
        return true;
      },
    };
    const slow = localLease({ folder, clock, hostname: 'ops-1', pid: 2, processes: stalling });
    const got = await slow.acquire(someActor);
    expect(got).toMatchObject({ ok: false, error: { kind: 'held', holder: { pid: 19, epoch: 11 } } });
    expect((await names())[0]).not.toBe('000000000002.json');
  });
});

describe('the lease in a folder, between real processes', () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  interface Contender {
    readonly child: ChildProcess;
    next(): Promise<string>;
  }
  function contender(then: 'hold' | 'release' = 'hold'): Contender {
    const script = join(import.meta.dirname, 'contender.ts');
    const child = spawn(process.execPath, [script, folder, then], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { child, next: async () => String((await lines.next()).value) };
  }
  async function answer(
    one: Contender,
  ): Promise<{ epoch?: number; kind?: string; takenFrom?: { pid: number } }> {
    one.child.stdin?.write('go\n');
    return JSON.parse(await one.next());
  }
  const ended = (child: ChildProcess): Promise<unknown> =>
    child.exitCode !== null ? Promise.resolve() : new Promise((resolve) => child.once('exit', resolve));

  it('goes to exactly one of eight that start at once', async () => {
    const all = Array.from({ length: 8 }, () => contender());
    for (const one of all) expect(await one.next()).toBe('ready');
    const answers = await Promise.all(all.map(answer));
    expect(answers.filter((one) => one.epoch === 1)).toHaveLength(1);
    expect(answers.filter((one) => one.kind === 'held')).toHaveLength(7);
  });

  it('is free at once after its holder was killed with -9, and goes to one of those who then come', async () => {
    const first = contender();
    await first.next();
    expect(await answer(first)).toMatchObject({ epoch: 1 });
    first.child.kill('SIGKILL');
    await ended(first.child);
    const all = Array.from({ length: 4 }, () => contender());
    for (const one of all) await one.next();
    const answers = await Promise.all(all.map(answer));
    const winners = answers.filter((one) => one.epoch !== undefined);
    expect(winners).toEqual([
      expect.objectContaining({ epoch: 2, takenFrom: expect.objectContaining({ pid: first.child.pid }) }),
    ]);
  });

  it('is free after its holder gave it back and ended', async () => {
    const first = contender('release');
    await first.next();
    expect(await answer(first)).toMatchObject({ epoch: 1 });
    await ended(first.child);
    const lease = localLease({ folder, clock: systemClock, hostname: hostname(), pid: process.pid });
    const next = await taken(lease);
    expect(next.takenFrom).toBeUndefined();
    expect(next.epoch).toBe(2);
    await next.release();
  });
});

describe('what is known of a process', () => {
  const own = (): Promise<ProcessMark> => systemProcesses.mark(hostname(), process.pid);

  it('has not ended when it is this one', async () => {
    expect(await systemProcesses.hasEnded(await own(), await own())).toBe(false);
  });

  it('has not ended when it is another user’s: pid 1', async () => {
    expect(await systemProcesses.hasEnded(await systemProcesses.mark(hostname(), 1), await own())).toBe(
      false,
    );
  });

  it('has ended when its pid is free, and when it is a zombie that nobody has waited for', async () => {
    const child = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 30'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const zombie = Number(await new Promise((resolve) => child.stdout.once('data', resolve)));
    const here = await own();
    const mark = await systemProcesses.mark(hostname(), zombie);
    for (let turn = 0; turn < 200 && !(await systemProcesses.hasEnded(mark, here)); turn++)
      await systemClock.sleep(10);
    expect(await systemProcesses.hasEnded(mark, here)).toBe(true);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    expect(await systemProcesses.hasEnded({ ...here, pid: child.pid ?? -1 }, here)).toBe(true);
  });

  it('has ended when its pid was given to a younger process', async () => {
    const here = await own();
    expect(await systemProcesses.hasEnded({ ...here, startTicks: '1' }, here)).toBe(
      process.platform === 'linux',
    );
  });

  it.each(['hostname', 'bootId', 'pidNamespace'] as const)(
    'is not known to have ended when its %s is another',
    async (field) => {
      const here = await own();
      const gone = { ...here, pid: 4_194_304, [field]: 'elsewhere' };
      expect(await systemProcesses.hasEnded(gone, here)).toBe(false);
    },
  );

  it.each([0, -1, 1.5, Number.NaN])(
    'is not asked about with signals to %s, which would mean a group or be refused',
    async (pid) => {
      const here = await own();
      expect(await systemProcesses.hasEnded({ ...here, pid }, here)).toBe(true);
    },
  );
});
