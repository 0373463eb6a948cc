/** What `rollout sandbox down` deletes, and what it must not. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimFolder, deleteFolder } from '../../../src/adapters/sandbox/own-folder.ts';

let place: string;
let folder: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'rollout-own-'));
  folder = join(place, 'sandbox');
});
afterEach(() => {
  rmSync(place, { recursive: true, force: true });
});

describe('the sandbox’s folder', () => {
  it('is made for its owner alone, may be claimed again, and is deleted with everything in it', async () => {
    expect(await claimFolder(folder)).toMatchObject({ ok: true });
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    writeFileSync(join(folder, 'running.json'), '{}');
    expect(await claimFolder(folder)).toMatchObject({ ok: true });
    expect(await deleteFolder(folder)).toMatchObject({ ok: true });
    expect(existsSync(folder)).toBe(false);
  });

  it('need not be there to be deleted', async () => {
    expect(await deleteFolder(folder)).toMatchObject({ ok: true });
  });

  it('is neither used nor deleted where somebody keeps something of their own', async () => {
    mkdirSync(folder);
    writeFileSync(join(folder, 'thesis.tex'), 'years of work');
    for (const refused of [await claimFolder(folder), await deleteFolder(folder)])
      expect(refused).toMatchObject({ ok: false, error: expect.stringContaining(folder) });
    expect(existsSync(join(folder, 'thesis.tex'))).toBe(true);
  });

  it('is no link to another folder, and no file', async () => {
    const other = join(place, 'other');
    mkdirSync(other);
    symlinkSync(other, folder);
    expect(await claimFolder(folder)).toMatchObject({ ok: false });
    expect(await deleteFolder(folder)).toMatchObject({ ok: false });
    rmSync(folder);
    writeFileSync(folder, 'a file');
    expect(await deleteFolder(folder)).toMatchObject({ ok: false });
    expect(existsSync(folder)).toBe(true);
  });
});
