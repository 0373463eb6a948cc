import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLocalStore } from '../../../src/adapters/local-store/local-store.ts';
import { encodeManifest } from '../../../src/domain/artifact-manifest.ts';
import type { ArtifactStore } from '../../../src/ports/artifact-store.ts';
import { storeContract } from '../../contract/artifact-store.ts';
import { artifactOf, openerOf } from '../../fakes/some-artifacts.ts';

storeContract('a local folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'rollout-store-'));
  const blob = (version: string, architecture: string, sha256: string): string =>
    join(folder, version, architecture, `${sha256}.deb`);
  return {
    open: () => createLocalStore({ folder, environment: 'gstg' }),
    async alter({ version, architecture, sha256 }, text) {
      rmSync(blob(version, architecture, sha256));
      writeFileSync(blob(version, architecture, sha256), text);
    },
    loseBytes: async ({ version, architecture, sha256 }) => rmSync(blob(version, architecture, sha256)),
    close: async () => rmSync(folder, { recursive: true }),
  };
});

describe('a local store in its folder', () => {
  let base: string;
  let folder: string;
  let store: ArtifactStore;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'rollout-store-'));
    folder = join(base, 'not', 'yet', 'there');
    store = createLocalStore({ folder, environment: 'gstg' });
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  const a = artifactOf('a');
  const publish = (text = 'a') => store.publish(artifactOf(text), openerOf(text));
  const manifest = (): string => join(folder, '5.10.2', 'amd64.json');
  const blob = (text = 'a'): string => join(folder, '5.10.2', 'amd64', `${artifactOf(text).sha256}.deb`);

  it('lays out bytes and manifest, and leaves nothing else behind', async () => {
    await publish();
    expect(readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()).toEqual([
      '.incoming',
      '5.10.2',
      '5.10.2/amd64',
      '5.10.2/amd64.json',
      `5.10.2/amd64/${a.sha256}.deb`,
    ]);
    expect(readFileSync(manifest(), 'utf8')).toBe(encodeManifest(a));
  });

  it('leaves nothing behind after a refusal or a failure either', async () => {
    await store.publish(artifactOf('a'), openerOf('b'));
    await publish('a');
    await publish('b');
    expect(readdirSync(join(folder, '.incoming'))).toEqual([]);
  });

  it('lets nobody else write, whatever the umask', async () => {
    const before = process.umask(0);
    try {
      await publish();
    } finally {
      process.umask(before);
    }
    for (const name of ['', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })]) {
      expect([name, statSync(join(folder, name)).mode & 0o022]).toEqual([name, 0]);
    }
  });

  it('goes on after a writer was killed before the manifest: the bytes alone are not published', async () => {
    mkdirSync(join(blob(), '..'), { recursive: true });
    for (const left of ['a', 'torn']) {
      writeFileSync(blob(), left);
      expect(await store.list()).toEqual({ ok: true, value: [] });
      expect(await store.verify(a)).toMatchObject({ ok: false, error: { kind: 'not-found' } });
      expect(await publish()).toMatchObject({ ok: true, value: { kind: 'published' } });
      expect(await store.verify(a)).toEqual({ ok: true, value: undefined });
      rmSync(manifest());
      rmSync(blob());
    }
  });

  it('removes what a killed writer left in the making, but not what another is writing now', async () => {
    const leftover = join(folder, '.incoming', 'write-dead');
    const active = join(folder, '.incoming', 'write-live');
    for (const path of [leftover, active]) {
      mkdirSync(path, { recursive: true });
      writeFileSync(join(path, 'file'), 'half');
    }
    const old = Date.now() / 1000 - 7200;
    utimesSync(join(leftover, 'file'), old, old);
    utimesSync(leftover, old, old);
    utimesSync(active, old, old);
    await publish();
    expect(readdirSync(join(folder, '.incoming'))).toEqual(['write-live']);
  });

  it.each([
    ['', 'it is empty'],
    ['{"schema": 1, "art', 'it is not JSON'],
    ['null', 'its schema is missing'],
    ['{"schema": 2, "artifact": {}}', 'its schema is 2, this program knows 1'],
    [
      '{"schema": 1, "artifact": {"version": "5.10.2"}}',
      'missing or wrong: environment, architecture, sha256',
    ],
    [encodeManifest({ ...a, sha256: '../../etc/passwd' }), 'missing or wrong: sha256'],
    [encodeManifest({ ...a, version: '5.9.1' }), 'it belongs to 5.9.1/amd64.json'],
  ])('a manifest that reads %j is an error that names it, never "nothing there"', async (text, why) => {
    await publish();
    rmSync(manifest());
    writeFileSync(manifest(), text);
    for (const answer of [await store.list(), await store.verify(a), await publish(), await publish('b')]) {
      expect(answer).toMatchObject({ ok: false, error: { kind: 'altered' } });
      expect(answer.ok ? '' : answer.error.message).toContain(`${manifest()} is no manifest`);
      expect(answer.ok ? '' : answer.error.message).toContain(why);
    }
    expect(readFileSync(manifest(), 'utf8')).toBe(text);
  });

  it('passes over what is not its own', async () => {
    await publish();
    for (const name of ['README', '.DS_Store']) writeFileSync(join(folder, name), 'x');
    mkdirSync(join(folder, 'lost+found'));
    writeFileSync(join(folder, '5.10.2', 'amd64.json~'), 'x');
    expect(await store.list()).toEqual({ ok: true, value: [a] });
  });

  it('says when its folder belongs to another environment', async () => {
    await publish();
    const other = createLocalStore({ folder, environment: 'gprd' });
    const answers = [
      await other.list(),
      await other.publish(artifactOf('a', { environment: 'gprd' }), openerOf('a')),
    ];
    for (const answer of answers) {
      expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: false } });
      expect(answer.ok ? '' : answer.error.message).toContain('give each environment its own artifacts path');
    }
  });

  it.each([
    { version: '../5.10.2' },
    { version: '' },
    { architecture: '../amd64' },
    { architecture: '' },
    { sha256: '../../x' },
  ])('refuses %j: nothing leads out of the folder', async (more) => {
    mkdirSync(folder, { recursive: true });
    expect((await store.publish(artifactOf('a', more), openerOf('a'))).ok).toBe(false);
    expect((await store.verify(artifactOf('a', more))).ok).toBe(false);
    expect(readdirSync(base, { recursive: true, encoding: 'utf8' }).sort()).toEqual([
      'not',
      'not/yet',
      'not/yet/there',
    ]);
  });

  it('says when its path leads through a file', async () => {
    writeFileSync(join(base, 'not'), 'a file');
    for (const answer of [await publish(), await store.list()]) {
      expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: false } });
      expect(answer.ok ? '' : answer.error.message).toContain(
        `the artifact store ${folder}: a part of the path is no folder`,
      );
    }
  });

  it('says when it may not write', async () => {
    mkdirSync(folder, { recursive: true });
    chmodSync(base, 0o755);
    chmodSync(folder, 0o555);
    const answer = await asNobody(() => publish());
    chmodSync(folder, 0o755);
    expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: false } });
    expect(answer.ok ? '' : answer.error.message).toContain('permission denied');
  });

  it('publishes nothing on a full disk, says so, and goes on once there is room', async () => {
    mkdirSync(folder, { recursive: true });
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
    if (mounted.status !== 0) {
      console.error('not run: a small file system cannot be mounted here (needs root on Linux)');
      return;
    }
    try {
      const text = 'x'.repeat(200_000);
      const answer = await store.publish(artifactOf(text), openerOf(text));
      expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: true } });
      expect(answer.ok ? '' : answer.error.message).toContain('the disk is full');
      expect(await store.list()).toEqual({ ok: true, value: [] });
      expect(readdirSync(join(folder, '.incoming'))).toEqual([]);
      expect(await publish()).toMatchObject({ ok: true, value: { kind: 'published' } });
    } finally {
      execFileSync('umount', [folder]);
    }
  });

  it('does not take a missing file for an empty one when sending', async () => {
    const source = store.sourceOf(a);
    expect(source.kind).toBe('bytes');
    const read = async (): Promise<void> => {
      if (source.kind === 'bytes') for await (const _ of source.open());
    };
    await expect(read()).rejects.toThrow('ENOENT');
    expect(existsSync(folder)).toBe(false);
  });
});

/** Runs something without root's power over permissions, where we have it. */
async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(65534);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}
