/** The outbox as a folder: what the disk and other people do to it. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localOutbox } from '../../../src/adapters/local-outbox/local-outbox.ts';
import type { Outbox } from '../../../src/ports/outbox.ts';
import { outboxContract, someWaiting, waitingIn } from '../../contract/outbox.ts';

const NOW = 1_700_000_000_000;
const JOURNAL = 'gs://bucket/journal';
const clock = { now: () => NOW, sleep: () => Promise.resolve() };

outboxContract('a folder', async () => {
  const root = await mkdtemp(join(tmpdir(), 'rollout-outbox-'));
  return {
    open: () => localOutbox({ root: join(root, 'state'), environment: 'gprd', journal: JOURNAL, clock }),
    close: () => rm(root, { recursive: true, force: true }),
  };
});

describe('the folder of an outbox', () => {
  let root: string;
  let folder: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'rollout-outbox-'));
    folder = join(root, 'state', 'gprd-a10a731e94f134ab');
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const open = (environment = 'gprd', journal = JOURNAL): Outbox =>
    localOutbox({ root: join(root, 'state'), environment, journal, clock });
  const mode = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);
  const putOne = async (): Promise<string> => {
    expect((await open().put(someWaiting(0))).ok).toBe(true);
    const [name = ''] = await readdir(folder);
    return join(folder, name);
  };
  /** What a person is told. */
  const refusal = async (outbox = open()): Promise<string> => {
    const put = await outbox.put(someWaiting(0));
    return put.ok ? '' : put.error;
  };

  it('is its owner’s alone, since reasons and hosts’ names stand in it', async () => {
    const file = await putOne();
    expect([await mode(folder), await mode(join(root, 'state')), await mode(file)]).toEqual([
      '700',
      '700',
      '600',
    ]);
    expect(file).toMatch(/\/000001-[0-9a-f-]{36}\.json$/);
  });

  it('numbers on behind what is there, as numbers and not as words', async () => {
    const first = await putOne();
    const entry = await readFile(first);
    await writeFile(first.replace('000001', '999999'), entry);
    await open().put(someWaiting(7));
    await open().put(someWaiting(8));
    const parts = (await waitingIn(open())).map(({ entry: { body } }) => ('part' in body ? body.part : null));
    expect(parts).toEqual([0, 0, 7, 8]);
    expect((await readdir(folder)).some((name) => name.startsWith('1000001-'))).toBe(true);
  });

  it('names what it cannot read, gives the rest, and leaves all as it is', async () => {
    const whole = await putOne();
    const text = await readFile(whole, 'utf8');
    const file = (n: number): string => join(folder, `00000${n}-00000000-0000-4000-8000-000000000000.json`);
    await writeFile(file(2), text.slice(0, 40));
    await writeFile(file(3), '');
    await writeFile(file(4), JSON.stringify({ schema: 2, entry: {} }));
    await writeFile(file(5), text.replace('"hostname"', '"hostnam"'));
    await writeFile(file(6), text.replace('"kind"', '"kin"'));
    await mkdir(file(7));
    await writeFile(join(folder, 'notes.txt'), 'mine');
    const before = (await readdir(folder)).sort();
    const waiting = await open().waiting();
    if (!waiting.ok) throw new Error(waiting.error);
    expect(waiting.value.entries).toHaveLength(1);
    expect(waiting.value.unreadable).toEqual([
      `${file(2)}: it is torn: not whole JSON`,
      `${file(3)}: it is torn: not whole JSON`,
      `${file(4)}: it was written by a newer rollout (schema 2, this one knows 1)`,
      `${file(5)}: it has no actor`,
      `${file(6)}: it has no kind`,
      `${file(7)}: it cannot be read (EISDIR)`,
      `${join(folder, 'notes.txt')}: it is no file of this folder`,
    ]);
    expect((await readdir(folder)).sort()).toEqual(before);
  });

  it('shows nothing of a writer that was killed, and tidies it up once it must be dead', async () => {
    const file = await putOne();
    const [dead, alive] = ['dead', 'alive'].map((name) => join(folder, `.000002-${name}.json.tmp`));
    if (dead === undefined || alive === undefined) throw new Error('both are named above');
    for (const one of [dead, alive]) await writeFile(one, '{"schema":1,"ent');
    await utimes(dead, new Date(NOW - 3_600_001), new Date(NOW - 3_600_001));
    await utimes(alive, new Date(NOW - 60_000), new Date(NOW - 60_000));
    expect(await open().waiting()).toMatchObject({ value: { entries: [{}], unreadable: [] } });
    await open().put(someWaiting(1));
    expect([dead, alive, file].map(existsSync)).toEqual([false, true, true]);
  });

  it('is made again by the same process when somebody took it away', async () => {
    const outbox = open();
    await outbox.put(someWaiting(0));
    await rm(join(root, 'state'), { recursive: true });
    expect((await outbox.put(someWaiting(1))).ok).toBe(true);
    expect(await waitingIn(open())).toHaveLength(1);
  });

  it('that cannot be made says what stands there, and does so again', async () => {
    await writeFile(join(root, 'state'), '');
    const outbox = open();
    for (const _ of [1, 2])
      expect(await refusal(outbox)).toBe(
        `outbox ${folder}: cannot write an entry: there is a file where a folder should be (ENOTDIR); move that file away`,
      );
    expect(await outbox.waiting()).toMatchObject({ ok: false, error: expect.stringContaining('ENOTDIR') });
  });

  it('that this user may not write to says where else it could be', async () => {
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o500);
    const adapter = join(import.meta.dirname, '../../../src/adapters/local-outbox/local-outbox.ts');
    // Root may write everywhere: then another user has to try.
    const script = `import { localOutbox } from ${JSON.stringify(adapter)};
      if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
      const clock = { now: () => 0, sleep: async () => {} };
      const outbox = localOutbox({ root: ${JSON.stringify(join(root, 'state'))}, environment: 'gprd', journal: ${JSON.stringify(JOURNAL)}, clock });
      console.log(JSON.stringify(await outbox.put(${JSON.stringify(someWaiting(0))})));`;
    for (const path of [root, join(root, 'state')]) await chmod(path, 0o755);
    await chmod(folder, 0o555);
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(said).toContain('permission denied (EACCES)');
    expect(said).toContain('ROLLOUT_STATE_DIR');
  });

  it('on a full disk says so, leaves nothing half-written, and goes on once there is room', async (context) => {
    await mkdir(folder, { recursive: true });
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'none', folder], { stdio: 'pipe' });
    } catch {
      return context.skip('a full disk is made with a small tmpfs, which this user may not mount');
    }
    try {
      const outbox = open();
      const ballast = join(folder, '.ballast');
      await writeFile(ballast, Buffer.alloc(16_384)).catch(() => undefined);
      expect(await refusal(outbox)).toContain('the disk is full (ENOSPC); free some space');
      expect(await readdir(folder)).toEqual(['.ballast']);
      await rm(ballast);
      expect((await outbox.put(someWaiting(1))).ok).toBe(true);
      expect(await waitingIn(open())).toHaveLength(1);
      execFileSync('mount', ['-o', 'remount,ro', folder], { stdio: 'pipe' });
      expect(await refusal(outbox)).toContain('the file system is read-only (EROFS)');
      const [still] = await waitingIn(open());
      await still?.done();
      expect(await waitingIn(open())).toHaveLength(1);
    } finally {
      execFileSync('umount', [folder]);
    }
    return undefined;
  });

  it('holds back what would stand damaged in the journal for ever, and what nobody here can tell the meaning of', async () => {
    const text = await readFile(await putOne(), 'utf8');
    const damages: readonly (readonly [string, string, string])[] = [
      [
        '"kind":"lifecycle-settled"',
        '"kind":"lifecycle-thawed"',
        'nothing of the kind "lifecycle-thawed" waits',
      ],
      // Whoever may write here may not speak for an environment.
      [
        '"kind":"lifecycle-settled"',
        '"kind":"quarantine-lifted"',
        'nothing of the kind "quarantine-lifted" waits',
      ],
      ['"kind":"lifecycle-settled"', '"kind":"toString"', 'nothing of the kind "toString" waits'],
      ['"part":0', '"part":-1', 'it is damaged: not all of a lifecycle-settled is there'],
      ['"actionId":"stop-1"', '"actionId":7', 'it is damaged'],
      ['"happenedAt":1700000000000', '"happenedAt":"now"', 'it is damaged'],
      ['"unseen":[]', '"unseen":[{"id":"1"}]', 'it is damaged'],
      ['"startedAgain"', '"startedAgai"', 'it is damaged'],
    ];
    for (const [index, [from, to]] of damages.entries()) {
      expect(text).toContain(from);
      await writeFile(
        join(folder, `00001${index}-00000000-0000-4000-8000-000000000000.json`),
        text.replace(from, to),
      );
    }
    const waiting = await open().waiting();
    if (!waiting.ok) throw new Error(waiting.error);
    expect(waiting.value.entries).toHaveLength(1);
    expect(waiting.value.unreadable).toEqual(damages.map(([, , why]) => expect.stringContaining(why)));
  });

  it('gives nothing to a journal that it was not written for, and says that it is there', async () => {
    await putOne();
    const moved = open('gprd', 'gs://other/journal');
    await moved.put(someWaiting(1));
    const waiting = await moved.waiting();
    if (!waiting.ok) throw new Error(waiting.error);
    expect(waiting.value.entries.map(({ entry }) => entry)).toEqual([someWaiting(1)]);
    expect(waiting.value.unreadable).toEqual([
      `${folder}: 1 that waits for another journal of an environment gprd; the configuration with that journal sends it`,
    ]);
    // Also where somebody has put the file there by hand.
    const [name = ''] = await readdir(folder);
    const [theirs = ''] = (await readdir(join(root, 'state'))).filter((one) => !folder.endsWith(one));
    await writeFile(
      join(root, 'state', theirs, name.replace('000001', '000009')),
      await readFile(join(folder, name)),
    );
    expect(await moved.waiting()).toMatchObject({
      value: { entries: [{}], unreadable: [expect.stringContaining(`another journal, "${JOURNAL}"`), {}] },
    });
    // What is sent is no longer told of, and neither is another environment's.
    const [first] = await waitingIn(open());
    await first?.done();
    expect(await open('gstg', 'gs://third').waiting()).toEqual({
      ok: true,
      value: { entries: [], unreadable: [] },
    });
  });

  it('of an environment that was renamed since gives what waits under the old name, before its own', async () => {
    await open().put(someWaiting(0));
    const renamed = open('production');
    await renamed.put(someWaiting(1));
    const entries = await waitingIn(renamed);
    expect(entries.map(({ entry }) => entry)).toEqual([someWaiting(0), someWaiting(1)]);
    for (const { done } of entries) await done();
    expect(await waitingIn(open())).toEqual([]);
  });

  it('is not held up by a pipe, led elsewhere by a link, or filled by a name with the highest number', async () => {
    const whole = await putOne();
    const file = (n: number): string => join(folder, `00000${n}-00000000-0000-4000-8000-000000000000.json`);
    execFileSync('sh', ['-c', 'mkfifo "$1"', 'sh', file(2)]);
    await symlink(whole, file(3));
    const highest = whole.replace('/000001', '/999999999999999');
    await writeFile(highest, await readFile(whole));
    await open().put(someWaiting(5));
    const waiting = await open().waiting();
    if (!waiting.ok) throw new Error(waiting.error);
    expect(waiting.value.entries).toHaveLength(3);
    expect(waiting.value.unreadable).toEqual([
      `${file(2)}: it cannot be read (no file)`,
      `${file(3)}: it cannot be read (ELOOP)`,
    ]);
  });

  it('does not believe what another user has laid there', async (context) => {
    const file = await putOne();
    await chmod(file, 0o644);
    for (const path of [root, join(root, 'state'), folder]) await chmod(path, 0o755);
    if (process.getuid?.() !== 0) return context.skip('only root can give a file to another user');
    const asNobody = (): string => {
      const adapter = join(import.meta.dirname, '../../../src/adapters/local-outbox/local-outbox.ts');
      const script = `import { localOutbox } from ${JSON.stringify(adapter)};
        process.setgid(65534); process.setuid(65534);
        const clock = { now: () => 0, sleep: async () => {} };
        const outbox = localOutbox({ root: ${JSON.stringify(join(root, 'state'))}, environment: 'gprd', journal: ${JSON.stringify(JOURNAL)}, clock });
        console.log(JSON.stringify(await outbox.waiting()));`;
      return execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    };
    expect(JSON.parse(asNobody())).toMatchObject({ value: { entries: [{}], unreadable: [] } });
    await chown(file, 12_345, 12_345);
    expect(JSON.parse(asNobody())).toMatchObject({
      value: { entries: [], unreadable: [expect.stringContaining('it belongs to the user 12345')] },
    });
    await chown(file, 0, 0);
    await chmod(file, 0o600);
    expect(asNobody()).toContain('it cannot be read (EACCES): another user wrote it, perhaps under sudo');
    return undefined;
  });
});
