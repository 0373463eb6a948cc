/** The last listing as a file: what is never kept, and what is never believed. */
import { execFileSync } from 'node:child_process';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lastInventory } from '../../../src/adapters/last-inventory/last-inventory.ts';
import { rememberListings } from '../../../src/adapters/last-inventory/remember-listings.ts';
import { err, ok } from '../../../src/domain/result.ts';
import type { Inventory, InventoryView } from '../../../src/ports/inventory.ts';
import { bareHost, lastInventoryContract, viewOf, WHOLE_HOST } from '../../contract/last-inventory.ts';

lastInventoryContract('a file', async () => {
  const root = await mkdtemp(join(tmpdir(), 'rollout-last-'));
  return {
    open: () => lastInventory(join(root, 'last-inventory', 'gprd.json')),
    close: () => rm(root, { recursive: true, force: true }),
  };
});

describe('the file of the last listing', () => {
  let root: string;
  let file: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'rollout-last-'));
    file = join(root, 'last-inventory', 'gprd.json');
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const VIEW = viewOf([WHOLE_HOST, bareHost('2')]);
  const last = (): Promise<InventoryView | null> => lastInventory(file).last();
  const kept = async (): Promise<string> => {
    await lastInventory(file).keep(VIEW);
    return readFile(file, 'utf8');
  };

  it('is its owner’s alone, and nothing else stays in its folder', async () => {
    await kept();
    expect([
      (await stat(file)).mode & 0o777,
      (await stat(join(root, 'last-inventory'))).mode & 0o777,
    ]).toEqual([0o600, 0o700]);
    expect(await readdir(join(root, 'last-inventory'))).toEqual(['gprd.json']);
  });

  it('is not replaced by an empty listing, which a project that was mistyped gives', async () => {
    await kept();
    await lastInventory(file).keep(viewOf([], 2e12));
    expect(await last()).toEqual(VIEW);
  });

  it('may be empty where nothing was known before', async () => {
    await lastInventory(file).keep(viewOf([]));
    expect(await last()).toEqual(viewOf([]));
  });

  it.each([
    ['cut off', (text: string) => text.slice(0, -20)],
    ['empty', () => ''],
    ['not JSON', () => 'hosts: []'],
    ['a list', () => '[]'],
    ['of a newer program', (text: string) => text.replace('"schema":1', '"schema":2')],
    ['without its time', (text: string) => text.replace(/"at":\d+,/, '')],
    ['with a host twice', (text: string) => text.replace('"id":"2"', `"id":"${WHOLE_HOST.id}"`)],
    ['with an id that is a number', (text: string) => text.replace('"id":"2"', '"id":2')],
    ['with a life that no VM has', (text: string) => text.replace('TERMINATED', 'GONE')],
    ['with a label that is no text', (text: string) => text.replace('"type":"web"', '"type":1')],
    ['with a port that is none', (text: string) => text.replace('2222', '0')],
    ['with a field that nobody knows', (text: string) => text.replace('"spot":', '"spotty":1,"spot":')],
    ['with a host that lacks its address', (text: string) => text.replace('"address":"10.0.0.1",', '')],
  ])('%s counts as absent', async (_, damage) => {
    const text = await kept();
    expect(damage(text)).not.toBe(text);
    await writeFile(file, damage(text));
    expect(await last()).toBeNull();
  });

  it('loses a field of a host, and counts as absent, whichever it is', async () => {
    const text = await kept();
    const { hosts, ...rest } = JSON.parse(text) as { hosts: Record<string, unknown>[] };
    const [, bare = {}] = hosts;
    for (const key of Object.keys(bare)) {
      const { [key]: _, ...without } = bare;
      await writeFile(file, JSON.stringify({ ...rest, hosts: [without] }));
      expect(await last(), key).toBeNull();
    }
  });

  it('that has become absurdly large is not read', async () => {
    await kept();
    await truncate(file, (64 << 20) + 1);
    expect(await last()).toBeNull();
  });

  it('that is a link, a pipe or another user’s counts as absent, and nobody waits for it', async (context) => {
    const text = await kept();
    await rename(file, `${file}.real`);
    await symlink(`${file}.real`, file);
    expect(await last()).toBeNull();
    await rm(file);
    execFileSync('sh', ['-c', 'mkfifo "$1"', 'sh', file]);
    expect(await last()).toBeNull();
    await rm(file);
    await writeFile(file, text);
    expect(await last()).toEqual(VIEW);
    if (process.getuid?.() !== 0) return context.skip('only root can give a file to another user');
    for (const path of [root, join(root, 'last-inventory')]) await chmod(path, 0o755);
    await chmod(file, 0o644);
    const adapter = join(import.meta.dirname, '../../../src/adapters/last-inventory/last-inventory.ts');
    const script = `import { lastInventory } from ${JSON.stringify(adapter)};
      process.setgid(65534); process.setuid(65534);
      console.log((await lastInventory(${JSON.stringify(file)}).last())?.hosts.length ?? 'absent');`;
    const asNobody = (): string =>
      execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).trim();
    expect(asNobody()).toBe('2');
    await chown(file, 12_345, 12_345);
    expect(asNobody()).toBe('absent');
    return undefined;
  });

  it('that cannot be written costs nothing but the fallback', async () => {
    await writeFile(join(root, 'last-inventory'), 'a file where the folder should be');
    await lastInventory(file).keep(VIEW);
    expect(await last()).toBeNull();
  });

  it('is written over when it is damaged', async () => {
    await kept();
    await writeFile(file, '{');
    await kept();
    expect(await last()).toEqual(VIEW);
  });

  it('that is a folder is left alone', async () => {
    await mkdir(file, { recursive: true });
    await lastInventory(file).keep(VIEW);
    expect(await last()).toBeNull();
    expect(await readdir(join(root, 'last-inventory'))).toEqual(['gprd.json']);
  });

  it('holds the last whole listing of an inventory that is wrapped, and changes none of its answers', async () => {
    const answers: Awaited<ReturnType<Inventory['list']>>[] = [
      ok(VIEW),
      ok({ ...viewOf([]), unknownZones: [{ zone: '*', why: 'timeout' }] }),
      err({ kind: 'unavailable', message: 'the API is down', retryable: true }),
      ok(viewOf([bareHost('3')], 2e12)),
    ];
    const signals: unknown[] = [];
    const { signal } = new AbortController();
    let call = 0;
    const store = lastInventory(file);
    let written: Promise<void> = Promise.resolve();
    const inventory = rememberListings(
      {
        async list(options) {
          signals.push(options?.signal);
          return answers[call++] ?? answers[0] ?? ok(VIEW);
        },
      },
      {
        ...store,
        keep: (view) => {
          written = store.keep(view);
          return written;
        },
      },
    );
    const seen: (InventoryView | null)[] = [];
    for (const answer of answers) {
      expect(await inventory.list({ signal })).toBe(answer);
      await written;
      seen.push(await last());
    }
    expect(seen).toEqual([VIEW, VIEW, VIEW, viewOf([bareHost('3')], 2e12)]);
    expect(new Set(signals)).toEqual(new Set([signal]));
  });

  it('on a disk that hangs keeps nobody from the list', async () => {
    const hangs = { keep: () => new Promise<void>(() => undefined), last: async () => null };
    const inventory = rememberListings({ list: async () => ok(VIEW) }, hangs);
    expect(await inventory.list()).toEqual(ok(VIEW));
  });
});
