import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeOwn, writeTarGz } from '../../../src/adapters/archive/tar-gz.ts';

const folder = mkdtempSync(join(tmpdir(), 'rollout-archive-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('an archive', () => {
  it('is one that tar opens, with every text as it was, readable by its owner alone', async () => {
    const path = join(folder, 'a.tar.gz');
    const long = `report/${'x'.repeat(150)}.txt`;
    const texts = [
      { name: 'report/a.txt', text: 'Überlast\n' },
      { name: long, text: 'y'.repeat(100_000) },
    ];
    expect(await writeTarGz(path, texts, 1_700_000_000_000)).toEqual({ ok: true, value: undefined });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    execFileSync('tar', ['-xzf', path, '-C', folder]);
    expect(readFileSync(join(folder, 'report/a.txt'), 'utf8')).toBe('Überlast\n');
    expect(readFileSync(join(folder, long), 'utf8')).toHaveLength(100_000);
  });

  it('never goes over a file that is there', async () => {
    const path = join(folder, 'there.tar.gz');
    writeFileSync(path, 'mine');
    const written = await writeTarGz(path, [], 0);
    expect(written).toEqual({
      ok: false,
      error: `cannot write ${path}: it is there already, and is not written over`,
    });
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });

  it('a folder that is not there is a sentence', async () => {
    const path = join(folder, 'none', 'a.md');
    expect(await writeOwn(path, 'x')).toEqual({
      ok: false,
      error: `cannot write ${path}: the folder ${join(folder, 'none')} does not exist`,
    });
    writeFileSync(join(folder, 'file'), '');
    const below = join(folder, 'file', 'a.md');
    expect(await writeOwn(below, 'x')).toMatchObject({ error: expect.stringContaining('is no folder') });
  });
});
