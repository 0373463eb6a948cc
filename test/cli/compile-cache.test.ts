/** Where compiled code is kept between calls: what lies there is run as our own, so only where nobody else may write. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compiledCodeFolder } from '../../src/cli/compile-cache.ts';

const DIST = fileURLToPath(new URL('../../dist/cli', import.meta.url));
const uid = process.geteuid?.();

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'rollout-cache-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const wanted = (): string => join(home, '.cache/rollout/compiled');

describe('the folder of compiled code', () => {
  it('is made below the user’s cache folder, for the user alone', () => {
    expect(compiledCodeFolder({ HOME: home }, uid)).toBe(wanted());
    expect(lstatSync(wanted()).mode & 0o777).toBe(0o700);
    expect(compiledCodeFolder({ HOME: home }, uid)).toBe(wanted());
    const other = join(home, 'elsewhere');
    mkdirSync(other);
    expect(compiledCodeFolder({ HOME: home, XDG_CACHE_HOME: other }, uid)).toBe(
      join(other, 'rollout/compiled'),
    );
  });

  it.each<[string, () => Readonly<Record<string, string>>]>([
    ['there is no HOME', () => ({})],
    ['HOME is empty', () => ({ HOME: '' })],
    ['HOME is no absolute path', () => ({ HOME: '.' })],
    ['HOME is not there', () => ({ HOME: join(home, 'nobody') })],
    ['HOME is a file', () => ({ HOME: fileURLToPath(import.meta.url) })],
    ['nothing can be made there', () => ({ HOME: '/proc/self' })],
  ])('is nowhere where %s', (_, env) => {
    expect(compiledCodeFolder(env(), uid)).toBeNull();
    expect(readdirSync(home)).toEqual([]);
  });

  it('is nowhere where HOME is somebody else’s, as under sudo, and nothing is left there', () => {
    expect(compiledCodeFolder({ HOME: home }, (uid ?? 0) + 1)).toBeNull();
    expect(readdirSync(home)).toEqual([]);
  });

  it.each<[string, () => void]>([
    ['HOME is open to a group', () => chmodSync(home, 0o770)],
    [
      'others may write beside it',
      () => {
        mkdirSync(join(home, '.cache/rollout'), { recursive: true });
        chmodSync(join(home, '.cache/rollout'), 0o777);
      },
    ],
    [
      'others may look into it',
      () => {
        mkdirSync(wanted(), { recursive: true });
        chmodSync(wanted(), 0o755);
      },
    ],
    [
      'it is a link',
      () => {
        mkdirSync(join(home, '.cache/rollout'), { recursive: true });
        symlinkSync(mkdtempSync(join(home, 'other-')), wanted());
      },
    ],
  ])('is not used where %s', (_, spoil) => {
    spoil();
    expect(compiledCodeFolder({ HOME: home }, uid)).toBeNull();
  });

  it.runIf(uid === 0)('is not used where somebody else has made it (tried as root only)', () => {
    mkdirSync(wanted(), { recursive: true, mode: 0o700 });
    chownSync(wanted(), 65_534, 65_534);
    expect(compiledCodeFolder({ HOME: home }, uid)).toBeNull();
  });
});

describe.each(['main.js', 'osqueryd.js'])('%s', (name) => {
  const run = (env: Readonly<Record<string, string>>) => {
    const { PATH = '' } = process.env;
    const ran = spawnSync(process.execPath, [join(DIST, name), '--version'], {
      env: { PATH, ...env },
      encoding: 'utf8',
    });
    return { code: ran.status, stderr: ran.stderr, stdout: ran.stdout };
  };
  const answered = { code: 0, stderr: '', stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/u) };

  it('keeps there what it has compiled', () => {
    expect(run({ HOME: home })).toEqual(answered);
    expect(readdirSync(wanted(), { recursive: true }).length).toBeGreaterThan(10);
    expect(run({ HOME: home })).toEqual(answered);
  });

  it('runs without a word where it cannot, and where it shall not', () => {
    for (const env of [{}, { HOME: '/proc/self' }, { HOME: home, NODE_DISABLE_COMPILE_CACHE: '1' }])
      expect(run(env)).toEqual(answered);
    expect(readdirSync(home)).toEqual([]);
  });
});
